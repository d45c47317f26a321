// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/near_duplicates.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <optional>
#include <unordered_map>

#include "engine/base/random_stream.h"
#include "engine/base/text.h"
#include "engine/data/tools/row_texts.h"

namespace luthier {

namespace {

constexpr std::size_t kBands = 16, kBandRows = kMinHashes / kBands;
constexpr std::size_t kPieceLetters = 5;
constexpr int kMostBits = 7;
constexpr std::size_t kMostCompared =
    64;  // of those in one bucket: a bucket of thousands is one text

/// Letters of UTF-8 in lower case, with one blank for all that stands between words.
std::vector<std::string> letters_of(const std::string& text) {
  std::vector<std::string> letters;
  bool blank = true;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t size = 1;
    while (at + size < text.size() && (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80)
      ++size;
    const std::string letter = ascii_lower(text.substr(at, size));
    at += size;
    const bool space = size == 1 && (letter[0] <= ' ' && letter[0] >= 0);
    if (space && blank) continue;
    letters.push_back(space ? " " : letter);
    blank = space;
  }
  if (!letters.empty() && letters.back() == " ") letters.pop_back();
  return letters;
}

std::uint64_t bytes_hash(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

/// One row as it is compared.
struct Print {
  std::vector<std::uint32_t> text;
  std::uint64_t picture = 0;
  bool has_picture = false, readable = false;
};

Print print_of(const Dataset& dataset, std::size_t row, const RowKind& kind,
               const NearDuplicateRules& rules) {
  Print print;
  const auto conversation = read_row(dataset, row, kind);
  if (!conversation) return print;
  using By = NearDuplicateRules::By;
  if (rules.by != By::Picture) print.text = min_hashes(spoken_text(*conversation));
  const std::filesystem::path picture = first_picture(*conversation);
  if (rules.by != By::Text && !picture.empty()) {
    const auto image = decode_image(picture);
    if (!image) return print;
    print.picture = picture_hash(*image);
    print.has_picture = true;
  }
  print.readable =
      rules.by == By::Picture ? print.has_picture : print.has_picture || !print.text.empty();
  return print;
}

/// Whether the later row is like the earlier one, and how much.
std::optional<NearDuplicate> compared(const std::vector<Print>& prints, std::size_t row,
                                      std::size_t of, const NearDuplicateRules& rules) {
  const Print &a = prints[row], &b = prints[of];
  NearDuplicate found;
  found.row = row;
  found.of = of;
  if (a.has_picture != b.has_picture) return std::nullopt;
  if (a.has_picture) {
    found.bits = std::popcount(a.picture ^ b.picture);
    if (found.bits > std::min(rules.bits, kMostBits)) return std::nullopt;
  }
  if (rules.by == NearDuplicateRules::By::Picture) return found;
  if (a.text.empty() != b.text.empty()) return std::nullopt;
  found.similarity = a.text.empty() ? 1 : similarity_of(a.text, b.text);
  if (found.similarity < rules.similarity) return std::nullopt;
  return found;
}

/// Keys under which rows that are alike meet: bands of texts' hashes, or each byte of pictures'
/// (who differ in at most seven bits share one of eight bytes).
std::vector<std::uint64_t> meeting_keys(const Print& print) {
  std::vector<std::uint64_t> keys;
  if (!print.text.empty()) {
    for (std::size_t band = 0; band < kBands; ++band) {
      std::uint64_t key = mixed_bits(band + 1);
      for (std::size_t i = 0; i < kBandRows; ++i)
        key = mixed_bits(key ^ print.text[band * kBandRows + i]);
      keys.push_back(key);
    }
  } else {
    for (unsigned byte = 0; byte < 8; ++byte)
      keys.push_back(mixed_bits((print.picture >> (8 * byte) & 0xff) | (byte + 1u) << 8));
  }
  return keys;
}

std::string near_sentence(const std::string& row, const std::string& of,
                          const NearDuplicate& found) {
  const std::string share = std::to_string(std::lround(100 * found.similarity)),
                    bits = std::to_string(found.bits);
  if (found.similarity < 0)
    return row + ": The picture is nearly that of " + of + ": " + bits + " of 64 bits differ.";
  if (found.bits < 0)
    return row + ": The row is nearly the same as " + of + ": " + share +
           " % of the text are alike.";
  return row + ": The row is nearly the same as " + of + ": " + share +
         " % of the text are alike, and " + bits + " of the pictures' 64 bits differ.";
}

}  // namespace

std::vector<std::uint32_t> min_hashes(const std::string& text) {
  const std::vector<std::string> letters = letters_of(text);
  if (letters.empty()) return {};
  std::vector<std::uint32_t> least(kMinHashes, ~std::uint32_t{0});
  const std::size_t pieces =
      letters.size() > kPieceLetters ? letters.size() - kPieceLetters + 1 : std::size_t{1};
  for (std::size_t first = 0; first < pieces; ++first) {
    std::string piece;
    for (std::size_t i = first; i < std::min(first + kPieceLetters, letters.size()); ++i)
      piece += letters[i];
    std::uint64_t state = bytes_hash(piece);
    for (std::size_t i = 0; i < kMinHashes; i += 2) {
      state += kGoldenStep;
      const std::uint64_t bits = mixed_bits(state);
      least[i] = std::min(least[i], static_cast<std::uint32_t>(bits));
      least[i + 1] = std::min(least[i + 1], static_cast<std::uint32_t>(bits >> 32));
    }
  }
  return least;
}

double similarity_of(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  std::size_t equal = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) equal += a[i] == b[i];
  return a.empty() ? 0 : static_cast<double>(equal) / static_cast<double>(a.size());
}

std::uint64_t picture_hash(const Image& image) {
  constexpr int kEdge = 32, kLow = 8;
  const Image small = resize(image, kEdge, kEdge, Resample::Bilinear);
  std::array<double, kEdge * kEdge> grey{};
  for (std::size_t i = 0; i < grey.size(); ++i)
    grey[i] =
        0.299 * small.rgb[3 * i] + 0.587 * small.rgb[3 * i + 1] + 0.114 * small.rgb[3 * i + 2];
  const auto wave = [](int at, int frequency) {
    return std::cos((2 * at + 1) * frequency * std::numbers::pi / (2 * kEdge));
  };
  std::array<double, kLow * kEdge> rows{};
  for (int y = 0; y < kEdge; ++y)
    for (int u = 0; u < kLow; ++u)
      for (int x = 0; x < kEdge; ++x)
        rows[static_cast<std::size_t>(u * kEdge + y)] +=
            grey[static_cast<std::size_t>(y * kEdge + x)] * wave(x, u);
  std::array<double, kLow * kLow> low{};
  for (int v = 0; v < kLow; ++v)
    for (int u = 0; u < kLow; ++u)
      for (int y = 0; y < kEdge; ++y)
        low[static_cast<std::size_t>(v * kLow + u)] +=
            rows[static_cast<std::size_t>(u * kEdge + y)] * wave(y, v);
  std::array<double, kLow* kLow> sorted = low;
  sorted[0] = 0;  // the mean says nothing of where light lies
  std::sort(sorted.begin(), sorted.end());
  const double median = (sorted[31] + sorted[32]) / 2;
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < low.size(); ++i)
    if (i > 0 && low[i] > median) hash |= std::uint64_t{1} << i;
  return hash;
}

Result<std::vector<NearDuplicate>> near_duplicates(const Dataset& dataset, const RowKind& kind,
                                                   const NearDuplicateRules& rules,
                                                   const RowProgress& progress) {
  std::vector<Print> prints(dataset.size());
  LUTHIER_CHECK(
      for_rows(dataset.size(), progress, [&](std::size_t first, std::size_t last, std::size_t) {
        for (std::size_t row = first; row < last; ++row)
          prints[row] = print_of(dataset, row, kind, rules);
      }));
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> meetings;
  std::vector<NearDuplicate> all;
  for (std::size_t row = 0; row < prints.size(); ++row) {
    if (!prints[row].readable) continue;
    std::optional<NearDuplicate> best;
    const std::vector<std::uint64_t> keys = meeting_keys(prints[row]);
    for (const std::uint64_t key : keys) {
      std::size_t looked = 0;
      for (const std::size_t other : meetings[key]) {
        if (best && other >= best->of) break;
        if (++looked > kMostCompared) break;
        if (auto found = compared(prints, row, other, rules)) {
          best = found;
          break;
        }
      }
    }
    if (best) {
      all.push_back(*best);
      continue;  // later ones are told of the first alone
    }
    for (const std::uint64_t key : keys) meetings[key].push_back(row);
  }
  return all;
}

std::vector<Finding> near_duplicate_findings(const Dataset& dataset,
                                             const std::vector<NearDuplicate>& found) {
  std::vector<Finding> findings;
  findings.reserve(found.size());
  for (const NearDuplicate& each : found)
    findings.push_back({each.row, "near_duplicate",
                        near_sentence(dataset.where(each.row), dataset.where(each.of), each),
                        true});
  return findings;
}

}  // namespace luthier
