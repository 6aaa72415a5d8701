"""Spark on this machine: distribution, Java, image, spark-submit."""
