// SPDX-License-Identifier: GPL-3.0-or-later
// ROUGE-L, BLEU, CIDEr-D and ANLS over the table that make_answer_measures.py writes by the papers'
// definitions; boxes in texts.
#include <QtTest>

#include "engine/io/json.h"
#include "engine/rewards/answer_measures.h"

using namespace luthier;

class TestAnswerMeasures : public QObject {
  Q_OBJECT

  Json table_;

 private slots:
  void initTestCase() {
    auto read = read_json_file(LUTHIER_SOURCE_DIR "/tests/rewards/answer_measures.json");
    QVERIFY2(read.ok(), read ? "" : read.error().sentence().c_str());
    table_ = read.take();
    QVERIFY(table_["cases"].size() >= 15);
  }

  void each_case_is_the_papers() {
    std::vector<std::string> references;
    for (const Json& each : table_["cases"])
      references.push_back(each["expected"].get<std::string>());
    const Cider cider(references);
    BleuCounts corpus;
    for (const Json& each : table_["cases"]) {
      const auto answer = each["answer"].get<std::string>(),
                 expected = each["expected"].get<std::string>();
      const auto near = [&](const char* key, double got) {
        const double wanted = each[key].get<double>();
        QVERIFY2(std::abs(got - wanted) < 1e-9,
                 qPrintable(QStringLiteral("%1 of \"%2\" beside \"%3\": %4 instead of %5")
                                .arg(key, answer.c_str(), expected.c_str())
                                .arg(got, 0, 'g', 12)
                                .arg(wanted, 0, 'g', 12)));
      };
      near("rouge_l", rouge_l(answer, expected));
      near("bleu", bleu(bleu_counts(answer, expected), true));
      near("anls", anls(answer, expected));
      near("cider", cider.of(answer, expected));
      corpus += bleu_counts(answer, expected);
    }
    QVERIFY(std::abs(bleu(corpus, false) - table_["corpus_bleu"].get<double>()) < 1e-9);
  }

  void boxes_overlap() {
    QVERIFY(text_box_overlap("[0, 0, 10, 10]", "a circle") < 0);  // none is expected
    QCOMPARE(text_box_overlap("at [0, 0, 10, 10]", "[0, 0, 10, 10]"), 1.0);
    QCOMPARE(text_box_overlap("(5,0),(15,10)", "[0, 0, 10, 10]"), 1.0 / 3);
    QCOMPARE(text_box_overlap("nowhere", "[0, 0, 10, 10]"), 0.0);
    // One too many halves it.
    QCOMPARE(text_box_overlap("[0,0,10,10] [50,50,60,60]", "[0, 0, 10, 10]"), 0.5);
  }
};

QTEST_GUILESS_MAIN(TestAnswerMeasures)
#include "test_answer_measures.moc"
