"""PyTorch: a plain loop over mini-batches, on handwritten digits"""

from __future__ import annotations


def train() -> str:
    import torch
    from sklearn.datasets import load_digits
    from torch.utils.data import DataLoader, TensorDataset, random_split

    torch.manual_seed(0)
    images, digits = map(torch.tensor, load_digits(return_X_y=True))
    data = TensorDataset(images.float() / 16, digits)
    training, unseen = random_split(data, [1400, len(data) - 1400])
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(10):
        for images, digits in DataLoader(training, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), digits).backward()
            optimizer.step()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == digits).sum().item() for images, digits in DataLoader(unseen, 99))
    return f"{right / len(unseen):.1%} of unseen digits are right"
