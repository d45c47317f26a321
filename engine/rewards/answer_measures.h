// SPDX-License-Identifier: GPL-3.0-or-later
// Measures of an answer beside a reference as papers define them and their usual programs compute
// them: ROUGE-L (Lin 2004, rouge-score), BLEU (Papineni et al. 2002, sacrebleu's tokens "13a" and
// its exponential smoothing), CIDEr-D (Vedantam et al. 2015, pycocoevalcap), ANLS (Biten et al.
// 2019). Each from 0 to 1, but for CIDEr-D, which goes to 10.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace luthier {

/// F of the longest common subsequence of words, with as much weight on precision as on recall.
/// Words are runs of letters and digits in lower case; characters outside of ASCII belong to words,
/// which rouge-score drops.
double rouge_l(const std::string& answer, const std::string& expected);

/// What BLEU counts of one answer; those of several are added for a corpus.
struct BleuCounts {
  static constexpr std::size_t kOrders = 4;
  std::array<std::int64_t, kOrders> matches{}, totals{};  ///< of n-grams of 1 … 4 tokens
  std::int64_t length = 0, expected_length = 0;

  BleuCounts& operator+=(const BleuCounts& other);
};
BleuCounts bleu_counts(const std::string& answer, const std::string& expected);
/// `effective_order`: orders of which an answer has no n-gram do not count, as sacrebleu does for a
/// sentence alone.
double bleu(const BleuCounts& counts, bool effective_order);

/// 1 − the edit distance over the longer text's length, in lower case and without white space at
/// the ends; 0 from a distance of half the length on.
double anls(const std::string& answer, const std::string& expected);

/// CIDEr-D: n-grams weighed by how rare they are among all the references.
class Cider {
 public:
  explicit Cider(const std::vector<std::string>& references);
  double of(const std::string& answer, const std::string& expected) const;

 private:
  using Weights = std::array<std::map<std::string, double>, 4>;
  struct Vector {
    Weights weights;
    std::array<double, 4> norms{};
    std::int64_t length = 0;  ///< of its pairs of words, as pycocoevalcap counts it
  };
  Vector vector_of(const std::string& text) const;

  std::map<std::string, double> references_with_;  ///< of each n-gram
  double log_count_ = 0;
};

/// Boxes that stand in both texts, each expected one with the one that overlaps it most: the mean
/// intersection over union over the longer list. Negative: no box is expected.
double text_box_overlap(const std::string& answer, const std::string& expected);

}  // namespace luthier
