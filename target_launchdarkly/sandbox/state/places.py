"""The project and the environment, as far as a client of segments looks at them."""

from __future__ import annotations


def project_document(project_key: str) -> dict[str, object]:
    """Give the API's `Project`."""
    return {
        "_id": f"project-{project_key}",
        "key": project_key,
        "name": project_key,
        "tags": [],
        "includeInSnippetByDefault": False,
        "_links": _links(f"/api/v2/projects/{project_key}"),
    }


def environment_document(
    project_key: str, environment_key: str, sdk_key: str, *, approval_required: bool
) -> dict[str, object]:
    """Give the API's `Environment`."""
    approvals = _approval_settings(required=approval_required)
    return {
        "_id": f"environment-{environment_key}",
        "key": environment_key,
        "name": environment_key,
        "apiKey": sdk_key,
        "mobileKey": "mob-sandbox",
        "color": "417505",
        "defaultTtl": 0,
        "secureMode": False,
        "defaultTrackEvents": False,
        "requireComments": False,
        "confirmChanges": False,
        "critical": False,
        "tags": [],
        "approvalSettings": approvals,
        "resourceApprovalSettings": {"segment": approvals},
        "_links": _links(f"/api/v2/projects/{project_key}/environments/{environment_key}"),
    }


def _approval_settings(*, required: bool) -> dict[str, object]:
    return {
        "required": required,
        "bypassApprovalsForPendingChanges": False,
        "minNumApprovals": 1,
        "canReviewOwnRequest": False,
        "canApplyDeclinedChanges": False,
        "serviceKind": "launchdarkly",
        "serviceConfig": {},
        "requiredApprovalTags": [],
    }


def _links(path: str) -> dict[str, object]:
    return {"self": {"href": path, "type": "application/json"}}
