"""What the workers of a node get, by its processors and cards."""

from __future__ import annotations

import logging

from pydantic import SecretStr

from visage.cluster.plan import NodePlan, plan_node
from visage.config import Settings


def planned(cpus: float, gpus: float = 0.0, **settings: object) -> NodePlan:
    plan = plan_node(Settings.model_validate(settings), cpus=cpus, gpus=gpus, log_level=logging.INFO)
    assert plan is not None
    return plan


def test_a_node_without_cards_is_one_worker_with_all_its_processors() -> None:
    plan = planned(8)
    assert (plan.workers, plan.cpus, plan.gpus) == (1, 8.0, 0.0)
    assert (plan.task.settings.device, plan.task.settings.threads, plan.task.concurrent) == ("cpu", 8, 8)


def test_workers_share_processors() -> None:
    plan = planned(8, workers=4, threads=4)
    assert (plan.workers, plan.cpus, plan.task.settings.threads, plan.task.concurrent) == (4, 1.0, 1, 2)


def test_each_card_gets_workers_that_see_it_alone() -> None:
    plan = planned(16, 2)
    assert (plan.workers, plan.gpus) == (8, 0.25)
    assert plan.task.settings.device == "cuda:0"
    assert planned(16, 2, device="cpu").gpus == 0.0


def test_a_node_with_nothing_to_give_gets_no_worker() -> None:
    assert plan_node(Settings(), cpus=0, gpus=0, log_level=logging.INFO) is None


def test_secrets_of_the_index_stay_here() -> None:
    assert planned(2, index_api_key=SecretStr("key")).task.settings.index_api_key is None
