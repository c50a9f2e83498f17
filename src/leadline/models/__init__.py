"""Network families, one a file. `MODELS` names every builder a Plan can ask for.

A builder takes what the data decide by name (any of `shape`, `outputs`, `channels`, `classes`, `edges`, `categories`, `task`,
`vocabulary`, of trees `arity`, and of forecasts `horizon`, `known`, `season`) and, keyword-only, what a person may set.
`timm:NAME` stands for a network of timm, where that is installed.
"""

from leadline.models.alexnets import alexnet, alexnet_2012
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

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MODELS",
    "OF_ANY_LENGTH",
    "OF_STREAMS",
    "OF_TREES",
    "OF_WORDS",
    "PUBLISHED",
    "AveragedEmbeddings",
    "BesideBicubic",
    "Ensemble",
    "LoadedWeights",
    "PerceptronFit",
    "PerceptronRule",
    "PublishedWeights",
    "RecurrentStack",
    "RecursiveNetwork",
    "SeriesConvnet",
    "TextConvnet",
    "TfidfLinear",
    "WordNetwork",
    "alexnet",
    "alexnet_2012",
    "averaged_embeddings",
    "bicubic_filters",
    "convnet",
    "espcn",
    "fast_convnet",
    "fit_perceptron",
    "forecaster",
    "from_rows",
    "last_layer",
    "lenet5",
    "linear",
    "load_weights",
    "mlp",
    "perceptron",
    "published_file",
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
    "row_notes",
    "series_convnet",
    "small_transformer",
    "squeezenet",
    "tabular",
    "text_convnet",
    "tfidf_linear",
    "three_convolutions",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "window_language",
    "without_contained",
    "word2vec",
]
