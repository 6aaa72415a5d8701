"""Why a Spark container ended: from its pod and the end of its log to one sentence for the person who ran it. Pure."""
