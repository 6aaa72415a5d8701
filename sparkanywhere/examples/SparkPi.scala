package org.apache.spark.examples

import java.util.SplittableRandom

import org.apache.spark.sql.SparkSession

/** Estimates Pi from points thrown at a square: PyPI's Spark brings no examples jar, so this is ours. */
object SparkPi {
  private val PointsPerSlice = 100000L

  def main(args: Array[String]): Unit = {
    val slices = args.headOption.map(_.toInt).getOrElse(2)
    val spark = SparkSession.builder().appName("Spark Pi").getOrCreate()
    val hits = spark.sparkContext.parallelize(1 to slices, slices).map(hitsOfSlice).fold(0L)(_ + _)
    println(s"Pi is roughly ${4.0 * hits / (PointsPerSlice * slices)}")
    spark.stop()
  }

  private def hitsOfSlice(slice: Int): Long = {
    val random = new SplittableRandom(slice.toLong)
    var hits = 0L
    var left = PointsPerSlice
    while (left > 0) {
      val x = random.nextDouble(-1, 1)
      val y = random.nextDouble(-1, 1)
      if (x * x + y * y <= 1) hits += 1
      left -= 1
    }
    hits
  }
}
