// SPDX-License-Identifier: GPL-3.0-or-later
// Denoising (Lewis et al. 2020, section 2.2; mBART: Liu et al. 2020): a text's sentences come in
// another order, spans of its words are each one mask, and the decoder writes the text as it was.
// How long spans are is Poisson's; one of no word is a mask more. Drawn anew each time a row is
// seen, by the rule of fairseq's denoising task: spans are drawn until they hold the share of words
// that is asked for, each begins at a word's first token, and where one runs into another they are
// one. A few masks may be any token. Masks more are put in while the text is no longer than it was.
// A word begins where its piece does (Ġ, ▁); a sentence ends with a word that ends in . ! or ?.
#include <cmath>
#include <string>

#include "engine/base/random_stream.h"
#include "engine/data/answer_start.h"
#include "engine/objectives/rewritten.h"

namespace luthier {

namespace {

struct DenoisingSettings {
  double ratio = 0.3, length = 3, random = 0.1, permuted = 1;
};

/// Poisson's shares up to each length, without what is rarer than one in ten million.
std::vector<double> poisson_shares(double mean) {
  constexpr double kRare = 1e-7;
  constexpr int kMost = 128;
  std::vector<double> shares;
  double sum = 0, share = std::exp(-mean);
  for (int k = 0; k < kMost; ++k) {
    if (k > 0) share *= mean / k;
    sum += share;
    shares.push_back(sum);
    if (share < kRare && k > mean) break;
  }
  for (double& each : shares) each /= sum;
  return shares;
}

/// In [0, count).
std::int64_t drawn_below(std::int64_t count, RandomStream& draws) {
  const auto drawn = static_cast<std::int64_t>(draws.unit() * static_cast<double>(count));
  return std::min(drawn, count - 1);
}

bool begins_word(const std::string& piece) {
  return piece.starts_with("\xC4\xA0") || piece.starts_with("\xE2\x96\x81");  // Ġ, ▁
}

bool ends_sentence(const std::string& piece) {
  return piece.ends_with('.') || piece.ends_with('!') || piece.ends_with('?');
}

class TextNoise {
 public:
  TextNoise(const DenoisingSettings& settings, const Tokenizer& tokenizer, RandomStream draws)
      : settings_(settings),
        tokenizer_(tokenizer),
        mask_(*tokenizer.special().mask),
        draws_(draws) {}

  /// Of a text's own tokens.
  std::vector<TokenId> noised(const std::vector<TokenId>& text) {
    return with_more_masks(masked(permuted(words_of(text))), text.size());
  }

 private:
  using Word = std::vector<TokenId>;

  std::vector<Word> words_of(const std::vector<TokenId>& text) const {
    std::vector<Word> words;
    for (const TokenId id : text) {
      if (words.empty() || begins_word(tokenizer_.id_to_token(id))) words.emplace_back();
      words.back().push_back(id);
    }
    return words;
  }

  std::vector<Word> permuted(std::vector<Word> words) {
    if (!draws_.chance(settings_.permuted)) return words;
    std::vector<std::vector<Word>> sentences;
    bool ended = true;
    for (Word& word : words) {
      if (ended) sentences.emplace_back();
      ended = ends_sentence(tokenizer_.id_to_token(word.back()));
      sentences.back().push_back(std::move(word));
    }
    for (std::size_t i = sentences.size(); i > 1; --i)
      std::swap(
          sentences[i - 1],
          sentences[static_cast<std::size_t>(drawn_below(static_cast<std::int64_t>(i), draws_))]);
    std::vector<Word> joined;
    for (std::vector<Word>& sentence : sentences)
      for (Word& word : sentence) joined.push_back(std::move(word));
    return joined;
  }

  /// Lengths of spans in words, together as many as are to be masked; of none: a mask more.
  std::vector<std::int64_t> lengths_of(std::int64_t words) {
    const auto wanted =
        static_cast<std::int64_t>(std::ceil(settings_.ratio * static_cast<double>(words)));
    const std::vector<double> shares = poisson_shares(settings_.length);
    std::vector<std::int64_t> lengths;
    for (std::int64_t sum = 0; sum < wanted;) {
      const double at = draws_.unit();
      const auto drawn = std::upper_bound(shares.begin(), shares.end(), at) - shares.begin();
      const auto length = std::min(static_cast<std::int64_t>(drawn), wanted - sum);
      lengths.push_back(length);
      sum += length;
    }
    return lengths;
  }

  TokenId some_mask() {
    if (!draws_.chance(settings_.random)) return mask_;
    return drawn_below(tokenizer_.vocab_size(), draws_);
  }

  std::vector<TokenId> masked(const std::vector<Word>& words) {
    const auto count = static_cast<std::int64_t>(words.size());
    std::vector<std::int64_t> places(words.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<std::int64_t>(i);
    std::vector<TokenId> mask_at(words.size(), -1);
    std::vector<bool> gone(words.size(), false);
    std::size_t taken = 0;
    for (const std::int64_t length : lengths_of(count)) {
      if (length == 0) {
        ++more_;
        continue;
      }
      const auto other = taken + static_cast<std::size_t>(
                                     drawn_below(count - static_cast<std::int64_t>(taken), draws_));
      std::swap(places[taken], places[other]);
      const auto first = static_cast<std::size_t>(places[taken++]);
      mask_at[first] = some_mask();
      const std::size_t end = std::min(words.size(), first + static_cast<std::size_t>(length));
      for (std::size_t i = first + 1; i < end; ++i) gone[i] = true;
    }
    std::vector<TokenId> left;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (gone[i]) continue;
      if (mask_at[i] >= 0)
        left.push_back(mask_at[i]);
      else
        left.insert(left.end(), words[i].begin(), words[i].end());
    }
    return left;
  }

  std::vector<TokenId> with_more_masks(std::vector<TokenId> text, std::size_t most) {
    for (; more_ > 0 && text.size() < most; --more_) {
      const std::int64_t at = drawn_below(static_cast<std::int64_t>(text.size()) + 1, draws_);
      text.insert(text.begin() + at, some_mask());
    }
    return text;
  }

  const DenoisingSettings& settings_;
  const Tokenizer& tokenizer_;
  const TokenId mask_;
  RandomStream draws_;
  int more_ = 0;  ///< masks that stand for no word
};

/// What the tokenizer puts around all texts stays where it is.
void denoise(Example& example, const DenoisingSettings& settings, const Tokenizer& tokenizer,
             RandomStream draws, std::optional<TokenId> start) {
  std::vector<TokenId> text = std::move(example.input_ids);
  auto first = text.begin(), last = text.end();
  while (first != last && tokenizer.is_special(*first)) ++first;
  while (last != first && tokenizer.is_special(*(last - 1))) --last;
  std::vector<TokenId> read(text.begin(), first);
  const std::vector<TokenId> noised =
      TextNoise(settings, tokenizer, draws).noised(std::vector<TokenId>(first, last));
  read.insert(read.end(), noised.begin(), noised.end());
  read.insert(read.end(), last, text.end());
  example.source_ids = std::move(read);
  example.labels.assign(text.begin(), text.end());
  example.input_ids = shifted_right(std::move(text), start);
}

class Denoising : public Rewritten {
 public:
  explicit Denoising(const DenoisingSettings& settings) : settings_(settings) {}

  Status fits(const LoadedModel& base) const override {
    const bool plain = base.processor && base.processor->row_form() == RowForm::Source;
    if (!base.model->sequence_to_sequence() || !plain)
      return input_error("A model of type " + std::string(base.family->model_type) +
                             " does not write one plain text from another, so none can be noised.",
                         "objective", "Choose sft, or mlm for an encoder.");
    if (!base.processor->tokenizer().special().mask)
      return input_error("The tokenizer has no mask_token.",
                         (base.folder / "tokenizer_config.json").string() + ": mask_token",
                         "T5's way is the objective span_corruption.");
    const auto start = answer_start(base.config, (base.folder / "config.json").string());
    return start ? Status() : Status(start.error());
  }

  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const LoadedModel& base = policy.base();
    LUTHIER_TRY(const auto start,
                answer_start(base.config, (base.folder / "config.json").string()));
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded)
      for (Example& example : row.sequences)
        denoise(example, settings_, base.processor->tokenizer(), RandomStream(seed, number++),
                start);
    return {};
  }

  /// As if each word were a token, and spans of their mean length.
  RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                          std::int64_t /*labels*/) const override {
    RowLengths used;
    used.labels = 0;
    for (const std::int64_t length : lengths) {
      const double gone = settings_.ratio * static_cast<double>(length);
      const double kept = static_cast<double>(length) - gone + gone / settings_.length;
      used.source.push_back(std::min(length, static_cast<std::int64_t>(std::ceil(kept))));
      used.own.push_back(length);
      used.labels += length;
    }
    return used;
  }

 private:
  DenoisingSettings settings_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_denoising(const Recipe& recipe) {
  DenoisingSettings settings;
  settings.ratio = recipe.more.number("denoising.mask_ratio");
  settings.length = recipe.more.number("denoising.poisson_lambda");
  settings.random = recipe.more.number("denoising.random_ratio");
  settings.permuted = recipe.more.number("denoising.permute_sentence_ratio");
  return std::unique_ptr<Objective>(std::make_unique<Denoising>(settings));
}

}  // namespace luthier
