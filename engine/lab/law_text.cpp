// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/law_text.h"

#include <algorithm>
#include <cmath>

#include "engine/io/files.h"
#include "engine/io/json.h"

namespace luthier {

namespace {

enum LawStream : std::uint64_t { kWordTables = 0x1a37ab1e, kTrainRows = 0x1a370001, kHeldOutRows };

// Half of the words follow from the two before them, a third from the last one.
constexpr double kByTwo = 0.5, kByOne = 0.35;
constexpr std::array<double, 4> kSharesAfterOne = {0.5, 0.25, 0.15, 0.1};
constexpr std::array<double, 3> kSharesAfterTwo = {0.65, 0.25, 0.1};

template <std::size_t Count>
std::size_t drawn_of(const std::array<double, Count>& shares, double unit) {
  std::size_t place = 0;
  for (double sum = shares[0]; place + 1 < Count && unit >= sum; sum += shares[++place]) continue;
  return place;
}

std::vector<std::string> made_up_words(int count) {
  static constexpr char kFirst[] = "bdfgklmnprstvz", kMiddle[] = "aeiou", kLast[] = "nrsl";
  std::vector<std::string> words;
  for (const char* last = kLast; *last; ++last)
    for (const char* middle = kMiddle; *middle; ++middle)
      for (const char* first = kFirst; *first && static_cast<int>(words.size()) < count; ++first)
        words.push_back({*first, *middle, *last});
  return words;
}

}  // namespace

LawText::LawText(std::uint64_t seed) : seed_(seed), words_(made_up_words(kWords)) {
  double sum = 0;
  for (int i = 0; i < kWords; ++i) shares_.push_back(1.0 / (i + 2.7));  // Zipf and Mandelbrot
  for (const double share : shares_) sum += share;
  for (double& share : shares_)
    sums_.push_back((sums_.empty() ? 0 : sums_.back()) + (share /= sum));
}

int LawText::by_chance(double unit) const {
  const auto found = std::upper_bound(sums_.begin(), sums_.end(), unit);
  return std::min(static_cast<int>(found - sums_.begin()), kWords - 1);
}

std::array<int, LawText::kAfterOne> LawText::after(int last) const {
  RandomStream random(seed_, kWordTables, static_cast<std::uint64_t>(last));
  std::array<int, kAfterOne> words{};
  for (int& word : words) word = by_chance(random.unit());
  return words;
}

std::array<int, LawText::kAfterTwo> LawText::after(int before, int last) const {
  RandomStream random(seed_, kWordTables,
                      static_cast<std::uint64_t>(kWords) * static_cast<std::uint64_t>(before + 1) +
                          static_cast<std::uint64_t>(last));
  std::array<int, kAfterTwo> words{};
  for (int& word : words) word = by_chance(random.unit());
  return words;
}

double LawText::probability(int before, int last, int word) const {
  if (before < 0) return shares_[static_cast<std::size_t>(word)];
  double likely = (1 - kByTwo - kByOne) * shares_[static_cast<std::size_t>(word)];
  const auto one = after(last);
  for (std::size_t i = 0; i < one.size(); ++i)
    if (one[i] == word) likely += kByOne * kSharesAfterOne[i];
  const auto two = after(before, last);
  for (std::size_t i = 0; i < two.size(); ++i)
    if (two[i] == word) likely += kByTwo * kSharesAfterTwo[i];
  return likely;
}

std::vector<int> LawText::row(LawTextSplit split, std::uint64_t place) const {
  RandomStream random(seed_, split == LawTextSplit::Train ? kTrainRows : kHeldOutRows, place);
  std::vector<int> row;
  for (int i = 0; i < kRowWords; ++i) {
    const double how = random.unit(), which = random.unit();
    int word = by_chance(which);
    if (i >= 2) {
      const int before = row[static_cast<std::size_t>(i) - 2],
                last = row[static_cast<std::size_t>(i) - 1];
      if (how < kByTwo)
        word = after(before, last)[drawn_of(kSharesAfterTwo, which)];
      else if (how < kByTwo + kByOne)
        word = after(last)[drawn_of(kSharesAfterOne, which)];
    }
    row.push_back(word);
  }
  return row;
}

std::string LawText::text(const std::vector<int>& row) const {
  std::string text;
  for (const int word : row)
    text += (text.empty() ? "" : " ") + words_[static_cast<std::size_t>(word)];
  return text;
}

double LawText::floor(const std::vector<int>& row) const {
  double sum = 0;
  for (std::size_t i = 0; i < row.size(); ++i)
    sum -=
        std::log(i < 2 ? probability(-1, -1, row[i]) : probability(row[i - 2], row[i - 1], row[i]));
  return row.empty() ? 0 : sum / static_cast<double>(row.size());
}

Status LawText::write_tokenizer(const std::filesystem::path& folder) const {
  const std::array<const char*, 4> special = {"<unk>", "<s>", "</s>", "<pad>"};
  Json vocabulary = Json::object(), added = Json::array();
  for (int i = 0; i < static_cast<int>(special.size()); ++i) {
    const char* name = special[static_cast<std::size_t>(i)];
    vocabulary[name] = i;
    added.push_back({{"id", i},
                     {"content", name},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  for (int i = 0; i < kWords; ++i) vocabulary[words_[static_cast<std::size_t>(i)]] = i + 4;
  const Json start = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const auto sequence = [](const char* id) {
    return Json{{"Sequence", {{"id", id}, {"type_id", 0}}}};
  };
  const Json tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", Json::array({start, sequence("A")})},
        {"pair", Json::array({start, sequence("A"), sequence("B")})},
        {"special_tokens",
         {{"<s>", {{"id", "<s>"}, {"ids", Json::array({1})}, {"tokens", Json::array({"<s>"})}}}}}}},
      {"decoder", nullptr},
      {"model", {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "<unk>"}}}};
  const Json settings = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                         {"bos_token", "<s>"},
                         {"eos_token", "</s>"},
                         {"pad_token", "<pad>"},
                         {"unk_token", "<unk>"},
                         {"model_max_length", kRowWords + 1},
                         {"clean_up_tokenization_spaces", false}};
  LUTHIER_CHECK(write_file_atomically(folder / "tokenizer.json", tokenizer.dump(1) + "\n"));
  return write_file_atomically(folder / "tokenizer_config.json", settings.dump(2) + "\n");
}

}  // namespace luthier
