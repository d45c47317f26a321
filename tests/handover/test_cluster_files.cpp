// SPDX-License-Identifier: GPL-3.0-or-later
// What a cluster is asked for: ranks that share a step's batches, options that sbatch takes.
#include <QtTest>

#include "engine/handover/cluster_files.h"

using namespace luthier;
using namespace luthier::handover;

namespace {

ClusterSettings settings(std::int64_t nodes, std::int64_t gpus = 1) {
  ClusterSettings made;
  made.nodes = nodes;
  made.gpus_per_node = gpus;
  return made;
}

/// With one of the texts that sbatch is given in place of its default.
ClusterSettings with(std::string ClusterSettings::*field, const std::string& text) {
  ClusterSettings made;
  made.*field = text;
  return made;
}

std::string refusal(const ClusterSettings& cluster, std::int64_t batches = 8, bool packed = false) {
  std::vector<std::string> overrides{"training.gradient_accumulation_steps=" +
                                     std::to_string(batches)};
  if (packed) overrides.emplace_back("quantization.load_in_4bit=true");
  const Recipe recipe = parse_recipe("", "test", overrides).value();
  const Status status = check_cluster(cluster, recipe);
  return status ? std::string() : status.error().sentence();
}

}  // namespace

class TestClusterFiles : public QObject {
  Q_OBJECT

 private slots:
  void a_steps_batches_are_shared_evenly() {
    QCOMPARE(refusal(settings(2, 4)), std::string());
    QVERIFY(refusal(settings(3)).find("3 ranks cannot share") != std::string::npos);
    QVERIFY(refusal(settings(3)).find("(1, 2, 4, 8)") != std::string::npos);
    QCOMPARE(refusal(settings(3), 6), std::string());
  }

  void options_are_such_as_sbatch_takes() {
    QVERIFY(refusal(settings(0)).starts_with("--nodes"));
    QVERIFY(refusal(settings(1, 5000)).starts_with("--gpus-per-node"));
    for (const char* time : {"", "soon", "1:00 --mem=0", "-1"})
      QVERIFY2(refusal(with(&ClusterSettings::time, time)).starts_with("--time"), time);
    for (const char* time : {"90", "12:00:00", "2-00:00:00"})
      QCOMPARE(refusal(with(&ClusterSettings::time, time)), std::string());
    QVERIFY(refusal(with(&ClusterSettings::partition, "a\n#SBATCH --wrap=x"))
                .starts_with("--partition"));
    QVERIFY(refusal(with(&ClusterSettings::sharding, "tensor")).starts_with("--sharding"));
  }

  void a_packed_base_is_whole_on_each_card() {
    QVERIFY(refusal(with(&ClusterSettings::sharding, "zero3"), 8, true).find("packed") !=
            std::string::npos);
    QCOMPARE(refusal(settings(1), 8, true), std::string());
    const Recipe recipe = parse_recipe("", "test", {"quantization.load_in_4bit=true"}).value();
    QCOMPARE(accelerate_files(recipe, settings(1)).size(), std::size_t{1});
    QCOMPARE(accelerate_files(Recipe(), settings(1)).size(), std::size_t{6});
  }

  /// What shares a model among cards is nothing for a recipe of the CPU.
  void a_recipe_of_the_cpu_has_no_sharding() {
    const Recipe recipe = parse_recipe("", "test", {"training.device=cpu"}).value();
    QCOMPARE(accelerate_files(recipe, settings(1)).size(), std::size_t{1});
    QVERIFY(requirements_text(recipe, ScriptFacts()).find("deepspeed") == std::string::npos);
    for (const char* sharding : {"fsdp", "zero2", "zero3"}) {
      const Status refused = check_cluster(with(&ClusterSettings::sharding, sharding), recipe);
      QVERIFY(!refused);
      QCOMPARE(refused.error().where, std::string("--sharding"));
    }
    QVERIFY(check_cluster(settings(1), recipe).ok());
  }

  void the_batch_file_names_what_was_asked_for() {
    Recipe recipe;
    recipe.output_dir = "runs/my run;rm";
    ClusterSettings cluster = settings(2, 4);
    cluster.time = "1-00", cluster.partition = "long", cluster.sharding = "fsdp";
    const std::string text = sbatch_text(recipe, cluster);
    for (const char* line :
         {"#SBATCH --job-name=my-run-rm\n", "#SBATCH --nodes=2\n", "#SBATCH --gpus-per-node=4\n",
          "#SBATCH --time=1-00\n", "#SBATCH --partition=long\n", "accelerate/fsdp.yaml",
          "SLURM_NNODES * 4"})
      QVERIFY2(text.find(line) != std::string::npos, line);
    recipe.training.device = "cpu";
    recipe.output_dir = "runs/my run/";  // a slash is no part of its name
    QVERIFY(sbatch_text(recipe, {}).find("--job-name=my-run\n") != std::string::npos);
    QVERIFY(sbatch_text(recipe, {.gpus_per_node = 4}).find("--gpus-per-node") == std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestClusterFiles)
#include "test_cluster_files.moc"
