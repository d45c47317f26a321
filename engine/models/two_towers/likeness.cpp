// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/two_towers/likeness.h"

#include <algorithm>
#include <limits>
#include <map>

#include "engine/base/text.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/device/failure.h"
#include "engine/models/two_towers/pair_loss.h"

namespace luthier {

namespace {

std::string text_in(const Conversation& row) {
  for (const ContentPart& part : row.messages.front().content)
    if (part.kind == ContentPart::Kind::Text) return part.text;
  return {};
}

/// With some text beside it, since a row of none is refused.
Result<Example> picture_example(const ChatProcessor& processor,
                                const std::filesystem::path& picture) {
  Conversation shown;
  shown.messages.push_back(
      {"user", {ContentPart::of_image(picture), ContentPart::of_text("a")}, nullptr});
  return processor.encode_caption(shown, 0, picture.string());
}

}  // namespace

Result<PicturesAndTexts> pictures_and_texts(const std::vector<std::filesystem::path>& files,
                                            const std::filesystem::path& image_folder) {
  LUTHIER_TRY(const auto dataset, Dataset::open(files, image_folder));
  PicturesAndTexts found;
  std::map<std::string, std::size_t> places;
  for (std::size_t row = 0; row < dataset->size(); ++row) {
    LUTHIER_TRY(const Conversation read, read_row(*dataset, row, caption_rows()));
    std::filesystem::path picture;
    for (const ContentPart& part : read.messages.front().content)
      if (part.kind == ContentPart::Kind::Image) picture = part.image;
    const auto [place, fresh] = places.emplace(picture.string(), found.pictures.size());
    if (fresh) found.pictures.push_back(picture);
    found.picture_of.push_back(place->second);
    found.texts.push_back(text_in(read));
  }
  if (!found.texts.empty()) return found;
  return input_error("The file holds no row.", files.empty() ? "rows" : files.front().string());
}

Result<Likenesses> likenesses(const LoadedModel& model, const ChatProcessor& processor,
                              const PicturesAndTexts& given, std::size_t together,
                              const std::function<bool(double share)>& go_on) try {
  TwoTowers* towers = model.model->two_towers();
  if (!towers)
    return input_error("A model of type " + std::string(model.family->model_type) +
                           " puts no pictures and texts into one space.",
                       model.folder.string(),
                       "Such models are clip, siglip, align, blip and blip-2.");
  const torch::NoGradGuard no_grad;
  const std::size_t all = given.pictures.size() + given.texts.size();
  std::vector<torch::Tensor> images, texts;
  std::size_t done = 0;
  const auto gather = [&](std::size_t count, const auto& example_of, const auto& point_of,
                          std::vector<torch::Tensor>& points) -> Status {
    for (std::size_t from = 0; from < count; from += together) {
      std::vector<Example> examples;
      for (std::size_t i = from; i < std::min(count, from + together); ++i) {
        if (go_on && !go_on(static_cast<double>(done++) / static_cast<double>(all)))
          return interrupted_error();
        LUTHIER_TRY(Example example, example_of(i));
        examples.push_back(std::move(example));
      }
      const ModelInput input = for_model(*model.model, collate(examples));
      points.push_back(point_of(input, static_cast<std::int64_t>(examples.size())));
    }
    return {};
  };
  LUTHIER_CHECK(gather(
      given.pictures.size(),
      [&](std::size_t i) { return picture_example(processor, given.pictures[i]); },
      [&](const ModelInput& input, std::int64_t) { return towers->image(input); }, images));
  LUTHIER_CHECK(gather(
      given.texts.size(),
      [&](std::size_t i) {
        return processor.encode_plain(given.texts[i], 0, "text " + std::to_string(i + 1));
      },
      [&](const ModelInput& input, std::int64_t rows) { return towers->text(input, rows); },
      texts));
  Likenesses made;
  made.logits = likeness(at::cat(texts), at::cat(images), towers->scale(), towers->bias());
  made.probabilities = picture_probabilities(*towers, made.logits).cpu();
  made.logits = made.logits.cpu();
  made.pairwise = towers->bias().defined();
  return made;
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out in a tower.", model.folder.string(), "Take a smaller --batch."),
      machine_error("The towers failed: " + first_line(problem.what()), model.folder.string()));
}

Recall recall_of(const torch::Tensor& logits, const std::vector<std::vector<std::size_t>>& own,
                 const std::vector<std::size_t>& ks) {
  const torch::Tensor table = logits.to(torch::kFloat32).contiguous();
  const auto width = static_cast<std::size_t>(table.size(1));
  std::vector<std::size_t> ranks;
  for (std::size_t row = 0; row < own.size(); ++row) {
    const float* values = table.const_data_ptr<float>() + row * width;
    float best = -std::numeric_limits<float>::infinity();
    for (const std::size_t place : own[row]) best = std::max(best, values[place]);
    std::size_t rank = 1;
    for (std::size_t i = 0; i < width; ++i) {
      const bool right = std::find(own[row].begin(), own[row].end(), i) != own[row].end();
      if (!right && values[i] >= best) ++rank;
    }
    ranks.push_back(rank);
  }
  std::sort(ranks.begin(), ranks.end());
  Recall recall;
  for (const std::size_t k : ks) {
    const auto within = std::upper_bound(ranks.begin(), ranks.end(), k) - ranks.begin();
    recall.at.push_back(static_cast<double>(within) / static_cast<double>(ranks.size()));
  }
  const std::size_t middle = ranks.size() / 2;
  recall.median_rank =
      ranks.size() % 2 == 1
          ? static_cast<double>(ranks[middle])
          : (static_cast<double>(ranks[middle - 1]) + static_cast<double>(ranks[middle])) / 2;
  return recall;
}

Recalls recalls_of(const PicturesAndTexts& given, const Likenesses& found,
                   const std::vector<std::size_t>& ks) {
  std::vector<std::vector<std::size_t>> pictures, texts(given.pictures.size());
  for (std::size_t text = 0; text < given.picture_of.size(); ++text) {
    pictures.push_back({given.picture_of[text]});
    texts[given.picture_of[text]].push_back(text);
  }
  return {ks, recall_of(found.logits, pictures, ks), recall_of(found.logits.t(), texts, ks)};
}

LikenessTable table_of(PicturesAndTexts given, const Likenesses& found) {
  LikenessTable table;
  const torch::Tensor shares = found.probabilities.to(torch::kFloat32).contiguous();
  const float* first = shares.const_data_ptr<float>();
  table.probabilities.assign(first, first + shares.numel());
  table.pairwise = found.pairwise;
  if (!given.picture_of.empty()) table.recalls = recalls_of(given, found, {1, 5, 10});
  table.given = std::move(given);
  return table;
}

}  // namespace luthier
