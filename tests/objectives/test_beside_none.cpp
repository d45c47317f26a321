// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that are made of one another are refused by the size of a micro-batch before the first step,
// where the recipe's micro-batches have one row; rows that say it all themselves are not.
#include "engine/data/region_rows.h"
#include "engine/data/sentence_pair_rows.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/takes_other_rows.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;

namespace {

/// Where it is refused; empty: it is not.
std::string refused_at(const std::vector<std::string>& settings, const EncodedRow& row) {
  std::vector<std::string> all{"model=m", "dataset=d", "output_dir=o", "strategy=full"};
  all.insert(all.end(), settings.begin(), settings.end());
  const auto recipe = parse_recipe("", "test", all);
  if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
  const auto objective = make_objective(*recipe);
  if (!objective) qFatal("%s", objective.error().sentence().c_str());
  const auto* asked = dynamic_cast<const TakesOtherRows*>(objective->get());
  if (!asked) qFatal("the objective is not asked");
  const Status status = asked->check_beside_none(row);
  return status ? std::string() : status.error().where;
}

constexpr const char* kSize = "training.per_device_train_batch_size";

}  // namespace

class TestBesideNone : public QObject {
  Q_OBJECT

 private slots:
  void regions_that_take_another_rows_text() {
    const std::string one = std::string(kSize) + "=1", two = std::string(kSize) + "=2";
    EncodedRow row, said;
    said.numbers[kMatch] = 1;
    QCOMPARE(refused_at({"objective=regions", one}, row), std::string(kSize));
    QCOMPARE(refused_at({"objective=regions", one}, said), std::string());
    QCOMPARE(refused_at({"objective=regions", two}, row), std::string());
    QCOMPARE(refused_at({"objective=regions", one, "regions.exchange_probability=0"}, row),
             std::string());
  }

  void documents_whose_second_text_is_anothers() {
    const std::string one = std::string(kSize) + "=1", two = std::string(kSize) + "=2";
    EncodedRow document, given;
    document.numbers[kFirstText] = 3;
    const auto at = [&](const char* pairs, const std::string& size, const EncodedRow& row) {
      return refused_at({"objective=mlm", std::string("mlm.pairs=") + pairs, size}, row);
    };
    QCOMPARE(at("next", one, document), std::string(kSize));
    QCOMPARE(at("next", two, document), std::string());
    QCOMPARE(at("next", one, given), std::string());
    QCOMPARE(at("order", one, document), std::string());
  }
};

QTEST_GUILESS_MAIN(TestBesideNone)
#include "test_beside_none.moc"
