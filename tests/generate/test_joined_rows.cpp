// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to prompts of several lengths are decoded together, and where some end others come in:
// every family gives each the answer that it gives alone.
#include "engine/check/tiny_models.h"
#include "engine/generate/generate.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include <set>

using namespace luthier;

namespace {

/// Of models without a folder only its filler is asked for.
std::shared_ptr<const ChatProcessor> any_processor() {
  static const std::shared_ptr<const ChatProcessor> processor =
      load_processor(LUTHIER_SOURCE_DIR "/resources/teaching/base", {}).take();
  return processor;
}

}  // namespace

class TestJoinedRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }
  void as_alone_data();
  void as_alone();
};

void TestJoinedRows::as_alone_data() {
  QTest::addColumn<QString>("name");
  for (const Family& family : families())
    if (tiny_model(family).ok()) QTest::newRow(family.model_type) << QString(family.model_type);
}

/// 24 rows have room; answers of a prompt come in together, and end at any of twelve tokens.
void TestJoinedRows::as_alone() {
  QFETCH(QString, name);
  TinyModel small;
  for (const Family& family : families())
    if (name == family.model_type) small = tiny_model(family).take();
  LoadedModel loaded =
      drawn(small, torch::dtype(torch::kFloat32), torch::kFloat32, any_processor()).take();
  if (!loaded.model->causal()) QSKIP("it does not write its text on");
  const std::vector<Example> prompts = tiny_prompts(small, {12, 7, 15, 7, 25, 9});
  constexpr std::size_t kSamples = 12;
  GenerationOptions options;
  options.max_new_tokens = 12;
  options.temperature = 1;
  for (TokenId id = 0; id < 12; ++id) loaded.eos_ids.push_back(7 * id);
  std::vector<std::uint64_t> draws(prompts.size() * kSamples);
  for (std::size_t i = 0; i < draws.size(); ++i) draws[i] = 1000 + i;
  // How many answers are in hand, whenever a prompt's first token comes.
  std::set<std::size_t> begun, ended, beside;
  const auto watch = [&](std::size_t index, const Generated& answer) {
    if (begun.insert(index).second) beside.insert(begun.size() - 1 - ended.size());
    if (!answer.finish.empty()) ended.insert(index);
    return true;
  };
  const auto together = generate_groups(loaded, prompts, kSamples, options, watch, draws);
  QVERIFY2(together.ok(), together ? "" : together.error().sentence().c_str());
  QCOMPARE(ended.size(), draws.size());
  QVERIFY(*beside.rbegin() < 24);
  std::set<std::size_t> lengths;
  double far = 0;
  int others = 0;
  for (std::size_t prompt = 0; prompt < prompts.size(); ++prompt) {
    const auto alone = generate_groups(loaded, {prompts[prompt]}, kSamples, options, {},
                                       std::span(draws).subspan(prompt * kSamples, kSamples));
    QVERIFY(alone.ok());
    for (std::size_t i = 0; i < kSamples; ++i) {
      const Generated &got = (*together)[prompt * kSamples + i], &wanted = (*alone)[i];
      lengths.insert(wanted.tokens.size());
      bool same = true;
      for (std::size_t t = 0; same && t < std::min(got.tokens.size(), wanted.tokens.size()); ++t) {
        far = std::max(far, std::abs(got.tokens[t].logprob - wanted.tokens[t].logprob));
        same = got.tokens[t].id == wanted.tokens[t].id;
      }
      // Two tokens as likely as one another: from there on an answer may be another one.
      if (!same) ++others;
      if (same) QCOMPARE(got.tokens.size(), wanted.tokens.size());
      if (same) QCOMPARE(got.finish, wanted.finish);
    }
  }
  QVERIFY2(far < 2e-5, qPrintable(QString::number(far)));
  QVERIFY2(others <= 2, qPrintable(QString::number(others)));
  QVERIFY(lengths.size() > 4);
}

QTEST_GUILESS_MAIN(TestJoinedRows)
#include "test_joined_rows.moc"
