// SPDX-License-Identifier: GPL-3.0-or-later
// What launchers say in the environment, and what of it contradicts itself.
#include "engine/ranks/rank_place.h"

#include <map>
#include <string>

#include <QtTest>

using namespace luthier;

namespace {

using Environment = std::map<std::string, std::string>;

Result<std::optional<RankPlace>> place_in(const Environment& environment) {
  return rank_place([&](const char* name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

Environment torchrun(const std::string& rank, const std::string& size) {
  return {{"RANK", rank},
          {"WORLD_SIZE", size},
          {"LOCAL_RANK", "1"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"MASTER_ADDR", "node7"},
          {"MASTER_PORT", "29500"}};
}

void refused(const Environment& environment, const char* words) {
  const auto place = place_in(environment);
  QVERIFY2(!place, words);
  QVERIFY2(place.error().sentence().find(words) != std::string::npos,
           place.error().sentence().c_str());
}

}  // namespace

class TestRankPlace : public QObject {
  Q_OBJECT

 private slots:
  void a_process_by_itself() {
    for (const Environment& each :
         {Environment{}, Environment{{"RANK", "0"}, {"WORLD_SIZE", "1"}},
          // A Slurm job's script has these too, and is no step.
          Environment{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}}) {
      const auto place = place_in(each);
      QVERIFY(place.ok());
      QVERIFY(!place->has_value());
    }
  }

  void what_launchers_say() {
    const auto torch = place_in(torchrun("3", "4"));
    QVERIFY(torch.ok() && torch->has_value());
    QCOMPARE((*torch)->rank, 3);
    QCOMPARE((*torch)->size, 4);
    QCOMPARE((*torch)->local_rank, 1);
    QCOMPARE((*torch)->local_size, 2);
    QCOMPARE((*torch)->address, std::string("node7"));
    QCOMPARE((*torch)->port, 29500);
    QVERIFY(!(*torch)->store_elsewhere);

    Environment agent = torchrun("3", "4");
    agent["TORCHELASTIC_USE_AGENT_STORE"] = "True";
    agent["TORCHELASTIC_RESTART_COUNT"] = "2";
    const auto elastic = place_in(agent);
    QVERIFY(elastic.ok() && (*elastic)->store_elsewhere);
    QCOMPARE((*elastic)->attempt, std::string("2"));

    const auto slurm = place_in({{"SLURM_STEP_ID", "0"},
                                 {"SLURM_PROCID", "5"},
                                 {"SLURM_NTASKS", "8"},
                                 {"SLURM_LOCALID", "1"},
                                 {"MASTER_ADDR", "a"},
                                 {"MASTER_PORT", "1"}});
    QVERIFY(slurm.ok() && slurm->has_value());
    QCOMPARE((*slurm)->rank, 5);
    QCOMPARE((*slurm)->local_rank, 1);

    const auto mpi = place_in({{"OMPI_COMM_WORLD_RANK", "1"},
                               {"OMPI_COMM_WORLD_SIZE", "2"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "1"},
                               {"MASTER_ADDR", "a"},
                               {"MASTER_PORT", "65535"}});
    QVERIFY(mpi.ok() && mpi->has_value());
    QCOMPARE((*mpi)->rank, 1);
  }

  void a_launcher_within_a_task_has_the_word() {
    Environment nested = torchrun("3", "4");
    nested.insert({{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}});
    refused(nested, "torchrun says that this is rank 3 of 4, and Slurm that it is rank 1 of 2");
    nested["TORCHELASTIC_RUN_ID"] = "job";
    const auto place = place_in(nested);
    QVERIFY(place.ok() && place->has_value());
    QCOMPARE((*place)->rank, 3);
  }

  void what_is_missing_or_wrong_is_named() {
    refused({{"RANK", "0"}}, "RANK is set and WORLD_SIZE is not");
    refused({{"OMPI_COMM_WORLD_SIZE", "2"}}, "OMPI_COMM_WORLD_RANK is not");
    refused(torchrun("two", "4"), "\"two\", which is no number");
    refused(torchrun("-1", "4"), "no number");
    refused(torchrun("4", "4"), "RANK is 4 and WORLD_SIZE is 4");
    refused(torchrun("0", "0"), "WORLD_SIZE is 0");
    Environment locals = torchrun("0", "4");
    locals["LOCAL_RANK"] = "2";
    refused(locals, "LOCAL_RANK is 2 of 2 on this machine");
    Environment nowhere = torchrun("0", "4");
    nowhere.erase("MASTER_ADDR");
    refused(nowhere, "on which machine rank 0 is");
    for (const char* port : {"", "0", "70000"}) {
      Environment wrong = torchrun("0", "4");
      wrong["MASTER_PORT"] = port;
      QVERIFY(!place_in(wrong).ok());
    }
  }
};

QTEST_GUILESS_MAIN(TestRankPlace)
#include "test_rank_place.moc"
