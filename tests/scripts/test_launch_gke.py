"""The GKE launcher fills in a JobSet."""

from __future__ import annotations

import yaml

from tests.scripts.launching import ARGUMENTS, ENVIRONMENT, printed


def test_gke_runs_the_command_in_every_pod():
    text = printed("launch_gke.sh")
    assert "${" not in text
    job_set = yaml.safe_load(text)
    assert (job_set["apiVersion"], job_set["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    job = job_set["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert job["parallelism"] == job["completions"] == 4
    assert job["backoffLimit"] == 0
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == [*ARGUMENTS, "--resume"]
    assert container["image"] == ENVIRONMENT["IMAGE"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == ENVIRONMENT["CLAIM"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [2, 3]
    assert rule["onExitCodes"]["containerName"] == container["name"]
