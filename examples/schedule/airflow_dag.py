"""A DAG of Airflow 3 that runs a Meltano project's image on Kubernetes, every night.

Needs the provider `apache-airflow-providers-cncf-kubernetes`, and in the namespace of the pods a
secret `audiences` with TARGET_LAUNCHDARKLY_ACCESS_TOKEN, what the tap asks for, and
MELTANO_DATABASE_URI: where Meltano keeps STATE between the pods.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s

with DAG(
    dag_id="audiences",
    schedule="17 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # A second run beside the first would be refused by Meltano.
    max_active_runs=1,
):
    KubernetesPodOperator(
        task_id="sync",
        name="audiences",
        namespace="data",
        image="registry.example.com/audiences:1",
        arguments=["--environment=production", "run", "audiences"],
        env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="audiences"))],
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "500m", "memory": "512Mi"}, limits={"memory": "1Gi"}
        ),
        security_context=k8s.V1PodSecurityContext(run_as_non_root=True),
        # A rerun is safe, but it does not help where a mirror was refused: somebody has to look.
        retries=1,
        retry_delay=timedelta(minutes=15),
        execution_timeout=timedelta(hours=3),
        # Meltano passes SIGTERM on, and the target stops at once: time for Meltano to note it.
        termination_grace_period=60,
    )
