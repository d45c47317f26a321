// SPDX-License-Identifier: GPL-3.0-or-later
// What is covered of a row: by tokens, by words, by stretches; how much of it; that special tokens
// are left alone and part stretches; and that labels are left where a token was chosen alone.
#include "engine/objectives/masking.h"

#include <QtTest>

using namespace luthier;

namespace {

/// Words of three pieces each, "a ##b ##c", and [CLS], [SEP], [MASK].
class PieceTokenizer : public Tokenizer {
 public:
  PieceTokenizer() { special_.mask = 2; }
  Result<Encoding> encode(std::string_view, bool) const override { return Encoding(); }
  Result<std::string> decode(std::span<const TokenId>, bool) const override {
    return std::string();
  }
  std::int64_t vocab_size() const override { return std::ssize(kPieces); }
  std::optional<TokenId> token_to_id(std::string_view) const override { return std::nullopt; }
  std::string id_to_token(TokenId id) const override {
    return id < vocab_size() ? kPieces[static_cast<std::size_t>(id)] : "";
  }
  bool is_special(TokenId id) const override { return id < 3; }

 private:
  static constexpr std::array<const char*, 6> kPieces{"[CLS]", "[SEP]", "[MASK]",
                                                      "a",     "##b",   "##c"};
};

/// Its vocabulary marks nothing.
class UnmarkedTokenizer : public PieceTokenizer {
 public:
  std::string id_to_token(TokenId id) const override {
    return id < vocab_size() ? std::string(1, static_cast<char>('a' + id)) : "";
  }
};

Example row_of(std::int64_t words) {
  Example example;
  const auto add = [&](TokenId id, bool own) {
    example.input_ids.push_back(id);
    example.labels.push_back(own ? id : kIgnoreLabel);
  };
  add(0, false);
  for (std::int64_t i = 0; i < words; ++i) {
    for (const TokenId id : {3, 4, 5}) add(id, true);
    if (i == words / 2) add(1, false);
  }
  add(1, false);
  return example;
}

double share(const MaskingRule& rule, std::int64_t words = 90) {
  const PieceTokenizer tokenizer;
  const Masking masking(rule, tokenizer);
  std::int64_t chosen = 0, all = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Example example = row_of(words);
    all += chosen_tokens(example);
    masking.cover(example, RandomStream(seed, 3));
    chosen += chosen_tokens(example);
  }
  return static_cast<double>(chosen) / static_cast<double>(all);
}

}  // namespace

class TestMasking : public QObject {
  Q_OBJECT

 private slots:
  void the_share_is_what_was_asked_for() {
    for (const bool words : {false, true})
      for (const std::int64_t most : {1, 3, 5})
        for (const double asked : {0.15, 0.5}) {
          const double got = share({asked, 0.8, 0.1, words, most});
          QVERIFY2(std::abs(got - asked) < 0.03, qPrintable(QString::number(got)));
        }
    QCOMPARE(share({1.0, 0.8, 0.1, true, 3}), 1.0);
  }

  void words_are_covered_whole() {
    const PieceTokenizer tokenizer;
    const Masking masking({0.4, 1, 0, true, 1}, tokenizer);
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      Example example = row_of(12);
      const Example before = example;
      masking.cover(example, RandomStream(seed, 0));
      for (std::size_t i = 1; i < example.input_ids.size(); ++i) {
        const bool chosen = example.labels[i] != kIgnoreLabel;
        QCOMPARE(example.input_ids[i], chosen ? TokenId{2} : before.input_ids[i]);
        if (chosen) QCOMPARE(example.labels[i], before.labels[i]);
        if (before.input_ids[i] > 3) QCOMPARE(chosen, example.labels[i - 1] != kIgnoreLabel);
      }
    }
  }

  void unmarked_pieces_are_words() {
    const UnmarkedTokenizer tokenizer;
    const Masking words({0.4, 1, 0, true, 1}, tokenizer), tokens({0.4, 1, 0, false, 1}, tokenizer);
    Example one = row_of(30), other = one;
    words.cover(one, RandomStream(5, 0));
    tokens.cover(other, RandomStream(5, 0));
    QCOMPARE(one.labels, other.labels);
    QCOMPARE(one.input_ids, other.input_ids);
    QVERIFY(chosen_tokens(one) > 0 && chosen_tokens(one) < 60);
  }

  void stretches_are_no_longer_than_most() {
    const PieceTokenizer tokenizer;
    const Masking masking({0.02, 1, 0, true, 2}, tokenizer);
    std::int64_t longest = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      Example example = row_of(10);
      masking.cover(example, RandomStream(seed, 0));
      std::int64_t in_a_row = 0;
      for (const std::int64_t label : example.labels) {
        in_a_row = label == kIgnoreLabel ? 0 : in_a_row + 1;
        longest = std::max(longest, in_a_row);
      }
    }
    QVERIFY(longest == 6 || longest == 9 || longest == 12);  // two may meet
  }

  void the_same_draws_cover_the_same() {
    const PieceTokenizer tokenizer;
    const Masking masking({0.3, 0.5, 0.5, false, 4}, tokenizer);
    Example first = row_of(9), second = row_of(9), other = row_of(9);
    masking.cover(first, RandomStream(1, 2));
    masking.cover(second, RandomStream(1, 2));
    masking.cover(other, RandomStream(2, 2));
    QCOMPARE(first.input_ids, second.input_ids);
    QCOMPARE(first.labels, second.labels);
    QVERIFY(first.labels != other.labels);
  }
};

QTEST_APPLESS_MAIN(TestMasking)
#include "test_masking.moc"
