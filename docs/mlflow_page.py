"""Take the picture of a run on MLflow's own page: `python docs/mlflow_page.py docs/mlflow-run.png`.

Needs MLflow and scikit-learn, Debian's chromium, and playwright.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.services.servers import mlflow_server

TRAINING = """
import reticent
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

reticent.autolog()

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
with reticent.start_run("scaled logistic regression", experiment="breast cancer"):
    reticent.log_params({"api_key": "not for anyone else"})
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(X_train, y_train)
    model.score(X_test, y_test)
"""
CHROMIUM = "/usr/bin/chromium"
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
SIZE = {"width": 1400, "height": 1240}


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as directory, mlflow_server(Path(directory) / "server") as server:
        project = Path(directory) / "cancer"
        project.mkdir()
        train(project, server.url)
        take(f"{server.url}/#/experiments/{'/runs/'.join(newest(server.url))}", target)


def train(project: Path, url: str) -> None:
    (project / "train.py").write_text(TRAINING)
    identity = ("-c", "user.name=reticent", "-c", "user.email=reticent@example.org")
    for command in (("init", "-q", "-b", "main"), ("add", "train.py"), (*identity, "commit", "-qm", "Train")):
        subprocess.run(["git", *command], cwd=project, check=True)
    settings = {"RETICENT_DIR": f"{project}/.reticent", "RETICENT_EXIT_TIMEOUT_S": "120"}
    environment = {**os.environ, **settings, "RETICENT_BACKENDS": f"mlflow+{url}"}
    subprocess.run([sys.executable, "train.py"], cwd=project, check=True, env=environment)


def newest(url: str) -> tuple[str, str]:
    """The experiment and the run of the training."""
    api = f"{url}/api/2.0/mlflow"
    found = requests.get(f"{api}/experiments/get-by-name", params={"experiment_name": "breast cancer"}, timeout=60)
    experiment = found.json()["experiment"]["experiment_id"]
    runs = requests.post(f"{api}/runs/search", json={"experiment_ids": [experiment]}, timeout=60).json()["runs"]
    return experiment, runs[0]["info"]["run_id"]


def take(page_url: str, target: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        page = browser.new_page(viewport=SIZE)
        page.goto(page_url)
        page.get_by_text("Model training", exact=True).click()  # not the pages for language models
        page.wait_for_url("**/experiments/**")
        page.goto("about:blank")
        page.goto(page_url)
        page.get_by_text("About this run").wait_for()
        page.get_by_role("button", name="Close").first.click()  # the assistant
        page.get_by_text("Logged models (1)").wait_for()
        page.wait_for_timeout(2000)  # for what moves
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
