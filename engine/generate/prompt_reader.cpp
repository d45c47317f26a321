// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/prompt_reader.h"

#include <algorithm>

#include "engine/batches/batch.h"

namespace luthier {

namespace {

/// Whether what the tower gives for a picture is the same whichever of the adapters answers.
bool tower_is_plain(const DecodingWork& work) {
  Model& model = *work.loaded.model;
  if (!model.picture_tower()) return false;
  for (const Adapter* adapter : work.adapters) {
    if (!adapter) continue;
    if (!RoutedAdapters::can_route(*adapter)) return false;
    for (const Adapter::Hung& hung : adapter->hung())
      if (model.part_of(hung.module) == kVisionTower) return false;
  }
  return true;
}

bool same_pictures(const Example& a, const Example& b) {
  if (&a == &b) return true;
  return std::equal(a.images.begin(), a.images.end(), b.images.begin(), b.images.end(),
                    [](const PixelValues& one, const PixelValues& other) {
                      return one.shape == other.shape && one.grid == other.grid &&
                             one.values == other.values;
                    });
}

}  // namespace

RowAdapters::RowAdapters(const DecodingWork& work, const std::vector<std::size_t>& rows)
    : work_(work) {
  if (work.adapters.empty()) return;
  for (const std::size_t index : rows) {
    Adapter* adapter = work.adapters[index];
    if (adapter && std::find(distinct_.begin(), distinct_.end(), adapter) == distinct_.end())
      distinct_.push_back(adapter);
  }
  const auto plain = [&](std::size_t index) { return work.adapters[index] == distinct_.front(); };
  if (distinct_.empty()) return;
  if (distinct_.size() == 1 && std::all_of(rows.begin(), rows.end(), plain)) {
    alone_ = distinct_.front();
    alone_->activate();
    return;
  }
  routed_ = std::make_unique<RoutedAdapters>(
      *work.loaded.model, std::vector<const Adapter*>(distinct_.begin(), distinct_.end()));
}

RowAdapters::~RowAdapters() {
  if (alone_) alone_->deactivate();
}

void RowAdapters::set_rows(const std::vector<std::size_t>& rows) {
  if (!routed_) return;
  std::vector<std::size_t> of_rows;
  for (const std::size_t index : rows) {
    const auto found = std::find(distinct_.begin(), distinct_.end(), work_.adapters[index]);
    of_rows.push_back(found == distinct_.end()
                          ? RoutedAdapters::kBase
                          : static_cast<std::size_t>(found - distinct_.begin()));
  }
  routed_->set_rows(std::move(of_rows));
}

ReadingKey reading_key(const DecodingWork& work, std::size_t index) {
  const Example& prompt = work.prompt(index);
  ReadingKey key{prompt_ids(*work.loaded.model, prompt).size(), {}};
  if (work.adapters.empty()) return key;
  for (const PixelValues& image : prompt.images) {
    key.pictures.insert(key.pictures.end(), image.shape.begin(), image.shape.end());
    key.pictures.insert(key.pictures.end(), image.grid.begin(), image.grid.end());
  }
  return key;
}

PromptReader::PromptReader(const DecodingWork& work)
    : work_(work), plain_tower_(tower_is_plain(work)) {}

ModelInput PromptReader::read(const std::vector<const Example*>& prompts,
                              const std::function<bool(const Example*)>& comes_again) {
  Model& model = *work_.loaded.model;
  ModelInput input = for_model(model, collate(prompts));
  if (!plain_tower_ || input.pictures.empty() || has_films(input)) return input;
  std::vector<const Example*> unlike, of_prompt;
  for (const Example* prompt : prompts) {
    if (prompt->images.empty()) return input;
    const auto found = std::find_if(unlike.begin(), unlike.end(), [&](const Example* other) {
      return same_pictures(*other, *prompt);
    });
    of_prompt.push_back(found == unlike.end() ? prompt : *found);
    if (found == unlike.end()) unlike.push_back(prompt);
  }
  std::vector<const Example*> unseen;
  for (const Example* each : unlike)
    if (!features_.contains(each)) unseen.push_back(each);
  if (unseen.size() == prompts.size() && std::none_of(prompts.begin(), prompts.end(), comes_again))
    return input;
  if (!unseen.empty()) {
    PictureTower& tower = *model.picture_tower();
    const std::vector<torch::Tensor> made =
        features_by_example(tower, unseen, tower.tower(for_model(model, collate(unseen))));
    for (std::size_t i = 0; i < unseen.size(); ++i) features_[unseen[i]] = made[i];
  }
  std::vector<torch::Tensor> features;
  for (const Example* each : of_prompt) features.push_back(features_.at(each));
  input.tower_features = at::cat(features, 0);
  std::erase_if(features_, [&](const auto& each) { return !comes_again(each.first); });
  return input;
}

}  // namespace luthier
