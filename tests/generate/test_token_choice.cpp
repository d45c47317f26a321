// SPDX-License-Identifier: GPL-3.0-or-later
// A choice among the tokens that a device sends is the choice of the whole row, to the id and, but
// for the order of one sum, to the figure; and what they do not decide is left open.
#include <cmath>
#include <limits>
#include <set>

#include <ATen/CPUGeneratorImpl.h>

#include "engine/generate/leading_tokens.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kVocabulary = 3000, kRows = 6;

/// `spread`: of the logits; coarse ones have many equals, the largest among them.
Tensor logits_of(double spread, bool coarse) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{5});
  Tensor logits = torch::empty({kRows, kVocabulary}, torch::kFloat32).normal_(0, spread, generator);
  if (coarse) logits = logits.round();
  logits[0].slice(0, 100, 110).fill_(static_cast<float>(12 * spread));  // ten of them lead
  logits[1].fill_(-0.0f).slice(0, 0, 3).fill_(0.0f);
  logits[2][7] = -std::numeric_limits<float>::infinity();
  return logits;
}

std::span<const float> row_of(const Tensor& logits, std::int64_t row) {
  return {logits.const_data_ptr<float>() + row * logits.size(1),
          static_cast<std::size_t>(logits.size(1))};
}

}  // namespace

class TestTokenChoice : public QObject {
  Q_OBJECT

 private slots:
  void among_the_leading_as_among_all_data() {
    QTest::addColumn<double>("temperature");
    QTest::addColumn<double>("top_p");
    QTest::addColumn<double>("spread");
    QTest::addColumn<bool>("mostly");  // the leading ones decide
    QTest::newRow("greedy") << 0.0 << 1.0 << 2.0 << true;
    QTest::newRow("drawn") << 1.0 << 1.0 << 5.0 << true;
    QTest::newRow("drawn, cool") << 0.6 << 1.0 << 3.0 << true;
    QTest::newRow("drawn of the likely") << 1.0 << 0.9 << 4.0 << true;
    QTest::newRow("drawn of the one") << 1.0 << 1e-9 << 2.0 << true;
    QTest::newRow("drawn of nearly equals") << 1.0 << 1.0 << 0.1 << false;
    QTest::newRow("drawn of half of the equals") << 1.0 << 0.5 << 0.1 << false;
  }
  void among_the_leading_as_among_all() {
    QFETCH(double, temperature);
    QFETCH(double, top_p);
    QFETCH(double, spread);
    QFETCH(bool, mostly);
    GenerationOptions options;
    options.temperature = temperature, options.top_p = top_p;
    int decided = 0, asked = 0;
    std::set<TokenId> different;
    for (const bool coarse : {false, true}) {
      options.alternatives = coarse ? 100 : 5;
      const Tensor logits = logits_of(spread, coarse);
      const Tensor leading = leading_tokens(logits, options);
      const auto sent = read_leading(leading, kVocabulary);
      QCOMPARE(sent.size(), static_cast<std::size_t>(kRows));
      for (std::int64_t row = 0; row < kRows; ++row) {
        const LeadingTokens& those = sent[static_cast<std::size_t>(row)];
        for (std::uint64_t prompt = 0; prompt < 60; ++prompt) {
          const TokenChoice whole = choose_token(row_of(logits, row), options, prompt, 3);
          const auto found = choose_among(those, options, prompt, 3);
          ++asked;
          if (!found) continue;
          ++decided;
          different.insert(found->id);
          QCOMPARE(found->id, whole.id);
          QVERIFY(std::abs(found->logprob - whole.logprob) < 1e-12);
          QCOMPARE(found->alternatives.size(), whole.alternatives.size());
          for (std::size_t i = 0; i < whole.alternatives.size(); ++i) {
            QCOMPARE(found->alternatives[i].first, whole.alternatives[i].first);
            QVERIFY(std::abs(found->alternatives[i].second - whole.alternatives[i].second) < 1e-12);
          }
        }
        if (temperature == 0)
          QCOMPARE(most_likely(leading, kVocabulary)[row].item<std::int64_t>(),
                   choose_token(row_of(logits, row), options, 0, 0).id);
      }
    }
    qInfo("%d of %d were decided, %d different tokens", decided, asked,
          static_cast<int>(different.size()));
    // Of rows whose tokens are all alike, most draws lie behind the leading ones.
    QVERIFY(mostly ? decided > asked * 3 / 4 : decided < asked / 2 && decided > 0);
    if (temperature > 0) QVERIFY(top_p < 1e-6 || different.size() > 20);
  }

  void near_a_border_it_is_left_open() {
    GenerationOptions options;
    options.temperature = 1, options.top_p = 0.5;
    LeadingTokens leading;
    leading.vocabulary = 1000;
    for (TokenId id = 0; id < 256; ++id) leading.best.emplace_back(id, 0.0f);
    // Half of the sum is reached with the hundredth token, or with the one behind it.
    leading.weights = 200, leading.log_total = std::log(200);
    int open = 0, decided = 0;
    for (std::uint64_t prompt = 0; prompt < 400; ++prompt) {
      const auto found = choose_among(leading, options, prompt, 0);
      found ? ++decided : ++open;
      if (found) QVERIFY(found->id <= 100);
    }
    QVERIFY(open > 0 && decided > open);
    leading.weights = 201;  // reached with the next one, whichever way it was added up
    for (std::uint64_t prompt = 0; prompt < 400; ++prompt)
      QVERIFY(choose_among(leading, options, prompt, 0).has_value());
  }

  /// Scores of which none is a number, or none is possible, give some token and no end of search.
  void of_no_numbers_a_token_is_chosen_all_the_same() {
    GenerationOptions options;
    options.temperature = 0.7;
    std::vector<float> logits(1000, 0.5f);
    const float lowest = -std::numeric_limits<float>::infinity();
    const std::vector<float> barred(1000, lowest);
    std::vector<float> broken = logits;
    broken[700] = std::numeric_limits<float>::quiet_NaN();
    for (const double top_p : {1.0, 0.6}) {
      options.top_p = top_p;
      QCOMPARE(choose_token(logits, options, 1, 2, barred).id, TokenId{0});
      QCOMPARE(choose_token(logits, options, 1, 2, broken).id, TokenId{0});
    }
    std::vector<float> one = barred;
    one[123] = -3;
    QCOMPARE(choose_token(logits, options, 1, 2, one).id, TokenId{123});
  }

  void a_small_vocabulary_is_sent_whole() {
    GenerationOptions options;
    options.temperature = 0.8, options.top_p = 0.95;
    const Tensor logits = logits_of(1, false).slice(1, 0, 200).contiguous();
    const auto sent = read_leading(leading_tokens(logits, options), 200);
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::uint64_t prompt = 0; prompt < 200; ++prompt) {
        const auto found = choose_among(sent[static_cast<std::size_t>(row)], options, prompt, 1);
        QVERIFY(found.has_value());
        QCOMPARE(found->id, choose_token(row_of(logits, row), options, prompt, 1).id);
      }
    }
  }
};

QTEST_GUILESS_MAIN(TestTokenChoice)
#include "test_token_choice.moc"
