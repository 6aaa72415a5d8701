"""How a task proves to the control plane which one it is: by the credentials of its role, which no other task has.

ECS names the session of a task's role after the task (github.com/aws/amazon-ecs-agent/issues/3498), and gives its
credentials to the task's own containers only (Amazon ECS Developer Guide, "Amazon ECS task IAM role", 2026). The first
container signs GetCallerIdentity with them, as `aws eks get-token` does, and sends the signed URL; who has signed it,
STS tells the control plane. The secret key stays in the task.
"""

from __future__ import annotations

START_FAILED = 125  # exit code, as docker's for what failed before the command
STS_HOST, AUDIENCE = "SPARKANYWHERE_STS_HOST", "SPARKANYWHERE_AUDIENCE"

# AWS Signature Version 4 in POSIX sh, with od and sha256sum of coreutils or busybox: an image of Spark has no SDK, and
# not every one has a curl that signs (7.75) or Python. `fetch URL HEADER` is payload's. IAM User Guide, "Create a
# signed AWS API request" (2026); Amazon EKS, the token of `aws eks get-token`.
SIGN = f"""
bytes() {{  # hexadecimal digits, what each byte is XORed with, how many bytes: as octal escapes, for printf
  digits=$1 left=$3
  while [ "$left" -gt 0 ]; do
    pair=${{digits%"${{digits#??}}"}} digits=${{digits#??}} left=$((left - 1))
    value=$((0x${{pair:-0}} ^ $2))
    printf '\\\\%s' "$((value >> 6))$((value >> 3 & 7))$((value & 7))"
  done
}}
sha() {{ sha256sum | cut -d' ' -f1; }}
hmac() {{  # hexadecimal key of up to 64 bytes, text
  inner=$({{ printf "$(bytes "$1" 54 64)"; printf %s "$2"; }} | sha)
  {{ printf "$(bytes "$1" 92 64)"; printf "$(bytes "$inner" 0 32)"; }} | sha
}}
own=${{AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:+http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI}}
credentials=$(fetch "${{own:-$AWS_CONTAINER_CREDENTIALS_FULL_URI}}" "Accept: application/json" | tr -d ' \\n')
[ -n "${{credentials#"{{}}"}}" ] || {{ echo "there are no credentials of the task's role" >&2; exit {START_FAILED}; }}
credential() {{ printf %s "$credentials" | sed -n "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/p"; }}
host=${STS_HOST} region=${{{STS_HOST}#sts.}} region=${{region%%.*}}
now=$(date -u +%Y%m%dT%H%M%SZ) day=${{now%T*}}
session=$(credential Token | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
query="Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
query="$query&X-Amz-Credential=$(credential AccessKeyId)%2F$day%2F$region%2Fsts%2Faws4_request&X-Amz-Date=$now"
query="$query&X-Amz-Expires=300&X-Amz-Security-Token=$session&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id"
nothing=$(printf "" | sha)
request=$(printf 'GET\\n/\\n%s\\nhost:%s\\nx-k8s-aws-id:%s\\n\\nhost;x-k8s-aws-id\\n%s' \\
  "$query" "$host" "${AUDIENCE}" "$nothing" | sha)
text=$(printf 'AWS4-HMAC-SHA256\\n%s\\n%s\\n%s' "$now" "$day/$region/sts/aws4_request" "$request")
key=$(printf %s "AWS4$(credential SecretAccessKey)" | od -An -v -tx1 | tr -d ' \\n')
for part in "$day" "$region" sts aws4_request "$text"; do key=$(hmac "$key" "$part"); done
proof=k8s-aws-v1.$(printf %s "https://$host/?$query&X-Amz-Signature=$key" | base64 | tr -d '\\n=' | tr '+/' '-_')
"""


def audience(deployment: str) -> str:
    """Return for whom tasks sign: the control plane of a deployment, and not as an IAM identity that uses its API."""
    return f"{deployment}/tasks"


def sts_host(region: str) -> str:
    """Return the host of a region's STS."""
    return f"sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def session(role_arn: str, task_id: str) -> str:
    """Return the ARN by which STS knows the containers of a task of a role; the role's path is not in it."""
    _, partition, _, _, account, resource = role_arn.split(":", 5)
    return f"arn:{partition}:sts::{account}:assumed-role/{resource.rpartition('/')[2]}/{task_id}"
