"""Questions about networks whose answer is a picture or a signal: masks, autoencoders, generators."""

from __future__ import annotations

import math

import torch
from asked import Watch, question
from asked_made import blob_pictures, digit_pictures, mini_batches, overlap, parts, r_squared
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe


class TinyUNet(nn.Module):
    """One level down, one up, and a shortcut."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.inner = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.out = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
        self.last = last

    def forward(self, image: Tensor) -> Tensor:
        before = self.down(image)
        return self.last(self.out(torch.cat([before, self.up(self.inner(before))], dim=1)))


@question("https://discuss.pytorch.org/t/help-appreciated-unet-binary-image-segmentation-issue/184539", "imbalance")
def background_everywhere(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One pixel in twenty belongs to a faint object, and without weights the mask is background everywhere."""
    x, y = blob_pictures(400, contrast=0.7)
    valid, (images, masks) = blob_pictures(100, contrast=0.7), blob_pictures(200, contrast=0.7)
    model = TinyUNet(nn.Identity())
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(20.0) if mended else None)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for inputs, targets in mini_batches(x, y, 16):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        said, inside = model(images) > 0, masks.bool()
    return probe, (said[inside].float().mean().item() + (~said[~inside]).float().mean().item()) / 2


@question("http://www.dtcms.com/a/394596.html", "head_or_loss_wrong")
def relu_before_the_logits_of_a_mask(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The network for masks ends in a ReLU, so that no pixel can get a probability below a half."""
    x, y = blob_pictures(400)
    valid, test = blob_pictures(100), blob_pictures(200)
    model = TinyUNet(nn.Identity() if mended else nn.ReLU())
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for images, masks in mini_batches(x, y, 16):
                optimizer.zero_grad()
                loss = criterion(model(images), masks)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, masks)
    with torch.no_grad():
        return probe, overlap(torch.sigmoid(model(test[0])), test[1])


def noisy_cosines(count: int) -> tuple[Tensor, Tensor]:
    """(N, 40) cosines of five periods with any phase and height, under noise, and the same without."""
    clean = (0.5 + torch.rand(count, 1)) * torch.cos(torch.arange(40) * 2 * math.pi / 8 + 2 * math.pi * torch.rand(count, 1))
    return clean + 0.3 * torch.randn(count, 40), clean


@question(
    "https://whosebug.com/question/5407576/Why-does-my-autoencoder-for-de-noising-in-PyTorch-learns-to-zero-out-everything",
    "head_or_loss_wrong",
)
def denoiser_that_ends_in_a_relu(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The last layer of the decoder is a ReLU, while half of the signal is below zero."""
    (x, y), valid, test = noisy_cosines(800), noisy_cosines(200), noisy_cosines(300)
    encoder = [nn.Linear(40, 32), nn.ReLU(), nn.Linear(32, 8), nn.ReLU()]
    decoder = [nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 40)]
    model = nn.Sequential(*encoder, *decoder) if mended else nn.Sequential(*encoder, *decoder, nn.ReLU())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.MSELoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(30):
            for noisy, clean in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(noisy), clean)
                loss.backward()
                optimizer.step()
                probe.step(loss, noisy, clean)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question("https://stackoverflow.com/questions/52441877", "head_or_loss_wrong")
def autoencoder_with_a_softmax(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The pixels of a reconstruction come from one softmax, which makes them sum to 1."""
    x = digit_pictures()[0].flatten(1)
    (x, _), valid, test = parts(x, x, 1100, 300, 397)
    autoencoder = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64),
        nn.Sigmoid() if mended else nn.Softmax(dim=1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=0.005)
    with watch(autoencoder, optimizer, loss=F.binary_cross_entropy, valid=valid) as probe:
        for _ in range(20):
            for images, _ in mini_batches(x, x):
                optimizer.zero_grad()
                loss = F.binary_cross_entropy(autoencoder(images), images)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, images)
    with torch.no_grad():
        return probe, r_squared(autoencoder(test[0]), test[0])


class Variational(nn.Module):
    """Digits to 8 means and log variances, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 64)
        self.mean, self.log_variance = nn.Linear(64, 8), nn.Linear(64, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = F.relu(self.hidden(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(code), mean, log_variance


@question("https://github.com/AppliedDataSciencePartners/WorldModels/issues/12", "over_regularized", "input_ignored")
def divergence_summed_and_error_averaged(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The divergence is a sum and the reconstruction error a mean over pixels: every picture becomes the average picture."""
    x = digit_pictures()[0].flatten(1)
    (x, _), test = parts(x, x, 1400, 397)
    vae = Variational()
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.003)
    with watch(vae, optimizer) as probe:
        for _ in range(30):
            for images, _ in mini_batches(x, x, 64):
                optimizer.zero_grad()
                again, mean, log_variance = vae(images)
                error = F.binary_cross_entropy(again, images, reduction="sum" if mended else "mean")
                divergence = -0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())
                loss = (error + divergence) / len(images)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, images)
    with torch.no_grad():
        hidden = F.relu(vae.hidden(test[0]))
        return probe, r_squared(vae.decoder(vae.mean(hidden)), test[0])


@question("https://github.com/nikhilsinghmus/image2reverb/issues/37", "not_training")
def generator_whose_samples_are_detached(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The samples are detached in the generator's own step too, so that nothing of its loss arrives at it."""
    middle = torch.tensor([2.0, -1.0])
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=0.002, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    with watch(generator, optimizer_g) as probe:
        for _ in range(700):
            real = middle + 0.5 * torch.randn(64, 2)
            noise = torch.randn(64, 4)
            fake = generator(noise)
            optimizer_d.zero_grad()
            loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
            loss_d.backward()
            optimizer_d.step()
            optimizer_g.zero_grad()
            loss_g = criterion(discriminator(fake if mended else fake.detach()), ones)
            loss_g.backward()
            optimizer_g.step()
            probe.step(loss_g, noise, ones)
    with torch.no_grad():
        away = (generator(torch.randn(1000, 4)).mean(0) - middle).norm().item()
        return probe, max(0.0, 1 - away / middle.norm().item())
