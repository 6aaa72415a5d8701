"""The program of a gateway that stays: it serves until no token that was handed out is good any more, or a signal."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from sparkanywhere.cli.connect_job import start_server
from sparkanywhere.cli.connect_server import ConnectServer
from sparkanywhere.cli.target_options import errors_as_sentences
from sparkanywhere.client.access import Target, find_target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.connect.gateway import Gateway
from sparkanywhere.connect.kept_gateway import GatewayFailed, GatewayPlan, KeptGateway, certificate_files
from sparkanywhere.connect.tokens import TokenReviews
from sparkanywhere.local.stop_signals import StoppedBySignal, signals_as_interrupt

LOOK_SECONDS = 2.0


def serve(kept: KeptGateway, plan: GatewayPlan) -> None:
    """Serve as planned. Raises GatewayFailed for a port that is taken, StoppedBySignal."""

    def target() -> Target:
        return find_target(os.environ, context=plan.context, namespace=plan.namespace, lasting=True)

    start = partial(start_server, options=plan.options, typed=plan.typed)
    certificate = certificate_files(os.environ, frozenset({plan.host})).chain.read_bytes()
    with closing(ConnectServer(target, start, is_direct=plan.is_direct)) as server:
        reviews = TokenReviews(lambda: KubeClient(target().access), plan.namespace)
        gateway = Gateway(reviews, server)
        try:
            with gateway.serving(bind=plan.bind, port=plan.port, certificate=certificate) as port:
                kept.write(replace(plan, port=port, pid=os.getpid()))
                while (found := kept.read()) and time.time() < found.expires_at:
                    time.sleep(LOOK_SECONDS)
        except OSError as error:
            raise GatewayFailed(str(error)) from error


def main(folder: str) -> None:
    """Serve what the folder's plan says, once."""
    kept = KeptGateway(Path(folder))
    with errors_as_sentences(), signals_as_interrupt(), kept.held():
        plan = kept.read()
        if plan is None:
            raise GatewayFailed(f"{folder} has no plan.")
        try:
            serve(kept, plan)
        except StoppedBySignal:
            return


if __name__ == "__main__":
    main(sys.argv[1])
