#!/usr/bin/python3
"""The chart in a real cluster: cluster.sh has it running, the images are there. The steps run in order, each on what the last left.

  cluster_test.py FOLDER    where the volumes of the node, certificates and tokens are to be
"""

import json
import os
import pathlib
import re
import shutil
import signal
import sys

import credentials
import release
from release import (await_completed, await_that, await_updates, await_workers, curve, events, helm, kubectl, newest, objects, pacictl,
                     pod_ids, run, stage_workers, submit, upgrade, workers)

USER = 10001  # of the containers, and owner of the volumes


def prepare(folder):
    volumes = folder / "volumes"
    text = "".join(file.read_text() for file in sorted((release.ROOT / "docs").glob("*.md")))
    for name in ("store", "checkpoints", "corpus"):
        (volumes / name).mkdir(parents=True)
        shutil.chown(volumes / name, USER, USER)
    (volumes / "corpus/train.txt").write_text(text)
    run("kubectl", "apply", "-f", "-", stdin=(release.HERE / "namespace.yaml").read_text().replace("@VOLUMES@", str(volumes)))
    for crd in sorted((release.ROOT / ".deps/schemas/crds").glob("*.yaml")):
        run("kubectl", "create", "-f", crd)
        run("kubectl", "wait", "--for=condition=Established", "--timeout=60s", "-f", crd)
    await_that("the namespace has its service account", lambda: "serviceaccount/default" in objects())
    credentials.make(folder / "tls")


def the_namespace_refuses_what_is_not_restricted():
    refused = kubectl("run", "forbidden", "--image=paci-worker-cpu", "--privileged", "--dry-run=server", fails=True)
    assert 'violates PodSecurity "restricted:latest"' in refused, refused


def it_installs_and_submits_the_job_of_the_hook():
    helm("install", "paci", release.ROOT / "helm/paci", "--values", release.HERE / "values.yaml", "--wait", "--timeout", "10m")
    # Readiness is that the coordinator has the worker.
    assert workers() == ["paci-worker-0", "paci-worker-1", "paci-worker-2"], workers()
    await_that("the hook's job is done", lambda: newest("hooked").get("state") == "JOB_STATE_COMPLETED")
    assert len(release.ask("list")["jobs"]) == 1
    assert not kubectl("get", "jobs", "-o", "name"), "the hook's Job is gone when it has succeeded"


def pods_are_as_the_chart_says():
    pods = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
    assert len(pods) == 4
    for pod in pods:
        sources = [source for volume in pod["spec"]["volumes"] for source in volume if source != "name"]
        assert set(sources) <= {"emptyDir", "persistentVolumeClaim", "secret"}, f"a token or something else is mounted: {sources}"
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0, pod["metadata"]["name"]
    kinds = {name.split("/")[0] for name in objects()}
    assert {"servicemonitor.monitoring.coreos.com", "networkpolicy.networking.k8s.io", "poddisruptionbudget.policy"} <= kinds


def nobody_is_served_without_a_token_or_certificate():
    trusting = {"PACI_TLS_CA": credentials.user["PACI_TLS_CA"]}
    assert "carries neither a token" in pacictl("list", environment=trusting, fails=True)
    pacictl("--insecure", "list", environment={}, fails=True)


def renewed_certificates_and_tokens_are_taken_up_without_a_restart(folder):
    before, old = pod_ids(), credentials.serial_in(folder)
    assert credentials.serial_that_is_served() == old
    withdrawn = dict(credentials.user, PACI_TOKEN_FILE=str(folder / "withdrawn"))
    shutil.copy(folder / "token", folder / "withdrawn")
    credentials.make(folder)
    await_that("the new certificate is shown", lambda: credentials.serial_that_is_served() == credentials.serial_in(folder) != old)
    await_that("the new token is taken", lambda: "jobs" in release.ask("list"))
    assert "not known" in pacictl("list", environment=withdrawn, fails=True)
    assert pod_ids() == before


def helm_test_passes():
    before = newest("helm-test").get("id")
    helm("test", "paci", "--timeout", "5m")
    tested = newest("helm-test")
    assert tested["id"] != before and tested["state"] == "JOB_STATE_COMPLETED", tested


def a_job_runs(undisturbed):
    job = submit()
    await_completed(job)
    assert not {"Recovering", "Rescaling"} & set(events(job)), events(job)
    undisturbed.extend(curve(job))


def kill_container(pod):
    """Without a signal that it could answer: its first process is killed, and the kernel ends the others."""
    first = [process for process in pathlib.Path("/proc").glob("[0-9]*") if is_first_process_of(process, pod)]
    assert len(first) == 1, (pod, first)
    os.kill(int(first[0].name), signal.SIGKILL)


def is_first_process_of(process, pod):
    try:
        arguments = (process / "cmdline").read_text().split("\0")
        namespaces = re.search(r"NSpid:.*\t(\d+)", (process / "status").read_text())
    except OSError:  # it has ended
        return False
    return f"--name={pod}" in arguments and namespaces[1] == "1"


def delete_at_once(*pods):
    before = pod_ids()
    kubectl("delete", "pod", "--now", *pods)
    await_that(f"{', '.join(pods)} are there again", lambda: all(pod_ids().get(pod, before[pod]) != before[pod] for pod in pods))


def a_job_survives_the_death_of_worker_and_coordinator_and_both(undisturbed):
    job = submit()
    await_updates(job, 60)
    kill_container(stage_workers(job)[0])
    await_that("its stage was lost", lambda: "Recovering" in events(job))
    await_updates(job, 160)
    delete_at_once(stage_workers(job)[1])
    await_updates(job, 260)
    delete_at_once("paci-coordinator-0")
    await_updates(job, 360)
    delete_at_once("paci-coordinator-0", stage_workers(job)[0])
    assert int(await_completed(job)["generation"]) >= 4, "three workers died"
    assert curve(job) == undisturbed, "it computed something else"


def an_evicted_worker_hands_its_stage_over_and_only_one_may_go(undisturbed):
    await_workers(3)
    kubectl("rollout", "status", "statefulset/paci-worker", "--timeout=5m")
    job = submit()
    await_updates(job, 60)
    leaving, other = stage_workers(job)
    before = pod_ids()
    assert "Success" in evict(leaving)
    assert "disruption budget" in evict(other, fails=True)
    await_that(f"{leaving} was replaced", lambda: pod_ids().get(leaving, before[leaving]) != before[leaving])
    await_completed(job)
    assert "Rescaling" in events(job) and "Recovering" not in events(job), events(job)
    assert curve(job) == undisturbed, "it computed something else"


def evict(pod, **options):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": release.NAMESPACE}}
    path = f"/api/v1/namespaces/{release.NAMESPACE}/pods/{pod}/eviction"
    return kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body), **options)


def workers_are_added_and_taken_away_under_a_job(undisturbed):
    await_workers(3)
    job = submit()
    await_updates(job, 60)
    upgrade("worker.replicas=4")
    assert len(workers()) == 4
    await_updates(job, 61)
    upgrade("worker.replicas=2")
    await_that("the others have left", lambda: workers() == ["paci-worker-0", "paci-worker-1"])
    await_completed(job)
    assert curve(job) == undisturbed, "it computed something else"
    upgrade("worker.replicas=3")


def an_upgrade_under_a_job_replaces_every_pod(undisturbed):
    await_workers(3)
    job = submit()
    await_updates(job, 60)
    before = pod_ids()
    upgrade("worker.logLevel=debug", "coordinator.logLevel=debug", "metrics.tls.enabled=true", "metrics.tls.workerSecret=metrics-tls",
            "metrics.tls.tokensSecret=users", "metrics.serviceMonitor.tokenSecret=prometheus")
    after = pod_ids()
    assert before.keys() == after.keys() and not set(before.values()) & set(after.values()), (before, after)
    await_completed(job)
    assert curve(job) == undisturbed, "it computed something else"


def metrics_are_encrypted_and_ask_for_a_token():
    token = pathlib.Path(credentials.user["PACI_TOKEN_FILE"]).read_text().strip()
    for component, name in (("coordinator", release.ADDRESS.split(":")[0]), ("worker", "paci-metrics")):
        address = kubectl("get", "pod", f"paci-{component}-0", "-o", "jsonpath={.status.podIP}")
        read = ["curl", "-sS", "--cacert", credentials.user["PACI_TLS_CA"], "--connect-to", f"{name}:7071:{address}:7071",
                f"https://{name}:7071/metrics"]
        assert "a token is needed" in run(*read), component
        assert f"paci_{component}_info" in run(*read, "-H", f"Authorization: Bearer {token}"), component


def uninstalling_leaves_the_claims_that_are_to_stay(before):
    helm("uninstall", "paci", "--wait", "--timeout", "5m")
    kept = {"persistentvolumeclaim/store-paci-coordinator-0", "persistentvolumeclaim/paci-checkpoints"}
    await_that("only the claims are left", lambda: objects() - before == kept)


def what_was_kept_is_there_for_the_next_release():
    helm("install", "paci", release.ROOT / "helm/paci", "--values", release.HERE / "values.yaml", "--set", "job.enabled=false",
         "--wait", "--timeout", "10m")
    assert newest("strict")["state"] == "JOB_STATE_COMPLETED"
    helm("uninstall", "paci", "--wait", "--timeout", "5m")


def every_checkpoint_that_is_left_is_whole(volumes):
    for manifest in sorted((volumes / "checkpoints").glob("*/*/manifest.json")):
        run(release.ROOT / "build/bin/pacictl", "verify-checkpoint", manifest.parent)


def main():
    folder = pathlib.Path(sys.argv[1])
    prepare(folder)
    before, undisturbed = objects(), []
    steps = [
        (the_namespace_refuses_what_is_not_restricted,), (it_installs_and_submits_the_job_of_the_hook,),
        (pods_are_as_the_chart_says,), (nobody_is_served_without_a_token_or_certificate,),
        (renewed_certificates_and_tokens_are_taken_up_without_a_restart, folder / "tls"), (helm_test_passes,),
        (a_job_runs, undisturbed),
        (a_job_survives_the_death_of_worker_and_coordinator_and_both, undisturbed),
        (an_evicted_worker_hands_its_stage_over_and_only_one_may_go, undisturbed),
        (workers_are_added_and_taken_away_under_a_job, undisturbed),
        (an_upgrade_under_a_job_replaces_every_pod, undisturbed), (metrics_are_encrypted_and_ask_for_a_token,),
        (helm_test_passes,),
        (uninstalling_leaves_the_claims_that_are_to_stay, before), (what_was_kept_is_there_for_the_next_release,),
        (every_checkpoint_that_is_left_is_whole, folder / "volumes")]
    for step, *arguments in steps:
        name = step.__name__.replace("_", " ")
        print(f"cluster: {name} ...", flush=True)
        step(*arguments)
    print(f"cluster: {len(steps)} steps passed, 0 failed")


main()
