"""Trains a small GPT on a text, character by character, and measures it as a classifier.

Its classes are the characters: the features of a position belong to the class of the next
character. The matrix that embeds characters is the classifier too. The text, text.txt, is from the
King James Bible (1611, spelling of 1769; parts of Genesis, Ecclesiastes, the Psalms, Matthew and
1 Corinthians), which is in the public domain; its last tenth is the test split.

    python small_gpt.py --server 127.0.0.1:50051 --run small-gpt
"""

import math
from pathlib import Path

import torch
from torch import nn, optim
from torch.nn import functional

import ncscope
from common import measured_epochs, options, print_report

TEXT = Path(__file__).with_name("text.txt")
CONTEXT, WIDTH, HEADS, BLOCKS, BATCH = 64, 64, 4, 2, 16


class Block(nn.Module):
    """Causal self-attention and an MLP, each added to what goes in: [n, t, WIDTH] to the same."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.projection = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )
        future = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
        self.register_buffer("future", future)

    def forward(self, x):
        """Returns x and what it learns from the positions before."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def attention(self, x):
        """Returns, for each position, a mean of the values of those up to it."""
        n, t, _ = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(WIDTH // HEADS)
        scores = scores.masked_fill(self.future[:t, :t], -math.inf)
        return self.projection((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, WIDTH))


class GPT(nn.Module):
    """Tokens [n, t] to scores [n, t, vocabulary] of the next one."""

    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, tokens):
        """Returns the scores."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tokens(tokens) + self.positions(positions)
        return self.head(self.norm(self.blocks(x)))


def load_text():
    """Returns the tokens of train and test split, [n] int64 each, and the vocabulary."""
    text = TEXT.read_text(encoding="ascii")
    vocabulary = sorted(set(text))
    tokens = torch.tensor([vocabulary.index(character) for character in text])
    cut = len(tokens) * 9 // 10
    return tokens[:cut], tokens[cut:], vocabulary


def windows(tokens, begin=0):
    """Returns batches of consecutive windows, [BATCH, CONTEXT] or fewer rows, from `begin` on."""
    count = (len(tokens) - begin) // CONTEXT
    return tokens[begin : begin + count * CONTEXT].view(count, CONTEXT).split(BATCH)


def next_token_loss(scores, tokens):
    """Returns the mean cross entropy; position t is judged by token t + 1."""
    return functional.cross_entropy(scores[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def main():
    """Trains; measures both splits every few epochs."""
    given = options(__doc__, run="small-gpt", epochs=60)
    train, test, vocabulary = load_text()
    model = GPT(len(vocabulary)).to(given.device)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)

    reports = []
    with ncscope.Monitor(model, run=given.run, server=given.server, next_token=True) as monitor:
        for epoch in range(given.epochs + 1):
            if epoch in measured_epochs(given.epochs):
                for split, tokens in (("train", train), ("test", test)):
                    loader = [(batch, batch) for batch in windows(tokens)]  # its own labels
                    report = monitor.measure(loader, epoch=epoch, split=split)
                    report.add_done_callback(print_report)
                    reports.append(report)
            if epoch == given.epochs:
                break
            begin = int(torch.randint(CONTEXT, ()))  # other windows in each epoch
            batches = windows(train, begin)
            for n in torch.randperm(len(batches)).tolist():
                tokens = batches[n].to(given.device)
                loss = next_token_loss(model(tokens), tokens)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    for report in reports:
        report.result(timeout=0)  # raises what kept one from being made


if __name__ == "__main__":
    main()
