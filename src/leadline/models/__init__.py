"""Network families, one a file or a folder. `MODELS` names every builder a Plan can ask for.

A builder takes what the data decide by name (any of `shape`, `outputs`, `channels`, `classes`, `edges`, `categories`,
`indicators`, `task`, `vocabulary`, of trees `arity`, and of forecasts `horizon`, `known`, `season`) and, keyword-only, what a
person may set.
`timm:NAME` stands for a network of timm, where that is installed.
"""

from leadline.models.adversarial.adversarial_evaluation import SampleEvaluation
from leadline.models.adversarial.adversarial_networks import AdversarialPair, PictureDiscriminator, PictureGenerator, dcgan
from leadline.models.adversarial.adversarial_readings import game_readings, game_told
from leadline.models.adversarial.adversarial_samples import drawn_pictures
from leadline.models.adversarial.adversarial_sizes import SIDES
from leadline.models.adversarial.adversarial_steps import AdversarialStep
from leadline.models.adversarial.differentiable_changes import CHANGES, changed_pictures, named_changes
from leadline.models.alexnets import alexnet, alexnet_2012
from leadline.models.autoencoders.autoencoder_stacks import Pretrained, PretrainedLayer, load_pretrained, pretrain_autoencoders
from leadline.models.autoencoders.autoencoders import Autoencoder, autoencoder, start_at_means
from leadline.models.autoencoders.conv_autoencoders import conv_autoencoder
from leadline.models.autoencoders.corruption import CORRUPTIONS, corruption_of
from leadline.models.autoencoders.latent_walks import latent_grid, linear_path, path_through, spherical_path
from leadline.models.autoencoders.odd_columns import ColumnGains, column_gains
from leadline.models.autoencoders.output_distributions import OUTPUTS, output_distribution
from leadline.models.autoencoders.reconstruction_objectives import OBJECTIVES, SPARSITIES, Reconstruct, objective_of
from leadline.models.autoencoders.reconstruction_scores import codes_of, log_likelihoods
from leadline.models.autoencoders.reconstruction_steps import ReconstructionEvaluation, ReconstructionStep
from leadline.models.autoencoders.table_autoencoders import missing_indicators, table_autoencoder
from leadline.models.autoencoders.variational_autoencoders import (
    VariationalAutoencoder,
    active_units,
    conv_variational_autoencoder,
    generated,
    variational_autoencoder,
)
from leadline.models.autoencoders.variational_bounds import VariationalBound
from leadline.models.boltzmann.annealed_sampling import (
    PartitionEstimate,
    annealed_log_partition,
    exact_log_partition,
    log_likelihood,
)
from leadline.models.boltzmann.belief_net_steps import BeliefNetEvaluation, GreedyDivergence
from leadline.models.boltzmann.belief_nets import (
    DeepBeliefNet,
    belief_filters,
    deep_belief_net,
    feed_forward_network,
)
from leadline.models.boltzmann.binarized_rows import BinarizedRows
from leadline.models.boltzmann.boltzmann_machines import VISIBLE_UNITS, RestrictedBoltzmannMachine, hidden_filters, rbm
from leadline.models.boltzmann.boltzmann_steps import ContrastiveDivergence
from leadline.models.boltzmann.divergence_texts import DIVERGENCES, Divergence, divergence_of
from leadline.models.boltzmann.pseudo_likelihoods import BoltzmannEvaluation, pseudo_log_likelihood
from leadline.models.classic_convnets import lenet5, three_convolutions
from leadline.models.convnets import convnet
from leadline.models.embedding_averages import AveragedEmbeddings, averaged_embeddings
from leadline.models.enlarging import BesideBicubic, bicubic_filters
from leadline.models.ensembles import Ensemble
from leadline.models.fast_convnets import fast_convnet
from leadline.models.forecasters import forecaster
from leadline.models.language_networks import recurrent_language
from leadline.models.layer_rows import from_rows, row_notes, without_contained
from leadline.models.linear_models import linear
from leadline.models.making_inputs import Generates, made_inputs
from leadline.models.perceptrons import mlp
from leadline.models.published_weights import IMAGENET_MEAN, IMAGENET_STD, PUBLISHED, PublishedWeights, published_file
from leadline.models.recurrent_cells import RecurrentStack
from leadline.models.recurrent_networks import recurrent
from leadline.models.recursive_networks import RecursiveNetwork, recursive
from leadline.models.resnets import resnet18, resnet34, resnet50, resnet101, resnet152
from leadline.models.rosenblatt import PerceptronRule, perceptron
from leadline.models.separating import PerceptronFit, fit_perceptron
from leadline.models.series_convnets import SeriesConvnet, series_convnet
from leadline.models.small_resnets import resnet20, resnet32, resnet44, resnet56, resnet110
from leadline.models.small_transformers import small_transformer
from leadline.models.squeezenets import squeezenet
from leadline.models.subpixel_networks import espcn
from leadline.models.tabular_networks import tabular
from leadline.models.text_convnets import TextConvnet, text_convnet
from leadline.models.tfidf_networks import TfidfLinear, tfidf_linear
from leadline.models.timm_backbones import BuilderTable
from leadline.models.told_rows import encoding_layers, row_codes, row_oddness, rows_of_codes, rows_told_again
from leadline.models.vggs import vgg11, vgg13, vgg16, vgg19
from leadline.models.weight_files import read_weights
from leadline.models.weight_loading import LoadedWeights, last_layer, load_weights
from leadline.models.window_models import window_language
from leadline.models.word_networks import WordNetwork, word2vec

MODELS = BuilderTable(
    {
        "linear": linear,
        "perceptron": perceptron,
        "mlp": mlp,
        "tabular": tabular,
        "convnet": convnet,
        "fast_convnet": fast_convnet,
        "lenet5": lenet5,
        "three_convolutions": three_convolutions,
        "resnet20": resnet20,
        "resnet32": resnet32,
        "resnet44": resnet44,
        "resnet56": resnet56,
        "resnet110": resnet110,
        "alexnet": alexnet,
        "alexnet_2012": alexnet_2012,
        "vgg11": vgg11,
        "vgg13": vgg13,
        "vgg16": vgg16,
        "vgg19": vgg19,
        "resnet18": resnet18,
        "resnet34": resnet34,
        "resnet50": resnet50,
        "resnet101": resnet101,
        "resnet152": resnet152,
        "squeezenet": squeezenet,
        "espcn": espcn,
        "tfidf_linear": tfidf_linear,
        "averaged_embeddings": averaged_embeddings,
        "text_convnet": text_convnet,
        "series_convnet": series_convnet,
        "recurrent": recurrent,
        "forecaster": forecaster,
        "recurrent_language": recurrent_language,
        "window_language": window_language,
        "small_transformer": small_transformer,
        "recursive": recursive,
        "word2vec": word2vec,
        "autoencoder": autoencoder,
        "conv_autoencoder": conv_autoencoder,
        "variational_autoencoder": variational_autoencoder,
        "conv_variational_autoencoder": conv_variational_autoencoder,
        "table_autoencoder": table_autoencoder,
        "rbm": rbm,
        "deep_belief_net": deep_belief_net,
        "dcgan": dcgan,
        "layers": from_rows,
    }
)
OF_ANY_LENGTH = ("tfidf_linear", "averaged_embeddings", "text_convnet", "series_convnet", "recurrent")
"""Those for texts and series whose rows differ in length."""
OF_STREAMS = ("recurrent_language", "window_language", "small_transformer")
"""Those that foretell the next token of a text; they take `vocabulary` in place of `shape` and `outputs`."""
OF_TREES = ("recursive",)
"""Those for trees with a label for each node; they take `vocabulary`, `outputs` and `arity`."""
OF_WORDS = ("word2vec",)
"""Those that learn the words of a text by their neighbours."""
OF_CODES = (
    "autoencoder",
    "conv_autoencoder",
    "variational_autoencoder",
    "conv_variational_autoencoder",
    "table_autoencoder",
)
"""Those that tell their inputs from a short code."""
OF_UNITS = ("rbm", "deep_belief_net")
"""Boltzmann machines, which learn without autograd."""
OF_DRAWINGS = ("dcgan",)
"""Those that draw pictures from noise."""
OF_INPUTS_ALONE = (*OF_CODES, *OF_UNITS, *OF_DRAWINGS)
"""All that learn without answers, each by a step of its own."""

__all__ = [
    "CHANGES",
    "CORRUPTIONS",
    "DIVERGENCES",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MODELS",
    "OBJECTIVES",
    "OF_ANY_LENGTH",
    "OF_CODES",
    "OF_DRAWINGS",
    "OF_INPUTS_ALONE",
    "OF_STREAMS",
    "OF_TREES",
    "OF_UNITS",
    "OF_WORDS",
    "OUTPUTS",
    "PUBLISHED",
    "SIDES",
    "SPARSITIES",
    "VISIBLE_UNITS",
    "AdversarialPair",
    "AdversarialStep",
    "Autoencoder",
    "AveragedEmbeddings",
    "BeliefNetEvaluation",
    "BesideBicubic",
    "BinarizedRows",
    "BoltzmannEvaluation",
    "ColumnGains",
    "ContrastiveDivergence",
    "DeepBeliefNet",
    "Divergence",
    "Ensemble",
    "Generates",
    "GreedyDivergence",
    "LoadedWeights",
    "PartitionEstimate",
    "PerceptronFit",
    "PerceptronRule",
    "PictureDiscriminator",
    "PictureGenerator",
    "Pretrained",
    "PretrainedLayer",
    "PublishedWeights",
    "Reconstruct",
    "ReconstructionEvaluation",
    "ReconstructionStep",
    "RecurrentStack",
    "RecursiveNetwork",
    "RestrictedBoltzmannMachine",
    "SampleEvaluation",
    "SeriesConvnet",
    "TextConvnet",
    "TfidfLinear",
    "VariationalAutoencoder",
    "VariationalBound",
    "WordNetwork",
    "active_units",
    "alexnet",
    "alexnet_2012",
    "annealed_log_partition",
    "autoencoder",
    "averaged_embeddings",
    "belief_filters",
    "bicubic_filters",
    "changed_pictures",
    "codes_of",
    "column_gains",
    "conv_autoencoder",
    "conv_variational_autoencoder",
    "convnet",
    "corruption_of",
    "dcgan",
    "deep_belief_net",
    "divergence_of",
    "drawn_pictures",
    "encoding_layers",
    "espcn",
    "exact_log_partition",
    "fast_convnet",
    "feed_forward_network",
    "fit_perceptron",
    "forecaster",
    "from_rows",
    "game_readings",
    "game_told",
    "generated",
    "hidden_filters",
    "last_layer",
    "latent_grid",
    "lenet5",
    "linear",
    "linear_path",
    "load_pretrained",
    "load_weights",
    "log_likelihood",
    "log_likelihoods",
    "made_inputs",
    "missing_indicators",
    "mlp",
    "named_changes",
    "objective_of",
    "output_distribution",
    "path_through",
    "perceptron",
    "pretrain_autoencoders",
    "pseudo_log_likelihood",
    "published_file",
    "rbm",
    "read_weights",
    "recurrent",
    "recurrent_language",
    "recursive",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "row_codes",
    "row_notes",
    "row_oddness",
    "rows_of_codes",
    "rows_told_again",
    "series_convnet",
    "small_transformer",
    "spherical_path",
    "squeezenet",
    "start_at_means",
    "table_autoencoder",
    "tabular",
    "text_convnet",
    "tfidf_linear",
    "three_convolutions",
    "variational_autoencoder",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "window_language",
    "without_contained",
    "word2vec",
]
