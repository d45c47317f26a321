// SPDX-License-Identifier: GPL-3.0-or-later
// Datasets that are open, for whoever asks for the same ones: the window's previews, and its work
// over all rows.
#include <map>
#include <mutex>

#include "engine/data/columns.h"
#include "engine/io/path_stamp.h"

namespace luthier {

namespace {

/// One dataset, opened by whoever asks first; the others wait for it.
struct OpenRows {
  std::mutex mutex;
  std::weak_ptr<const Dataset> dataset;
};

std::shared_ptr<OpenRows> open_rows_of(const std::string& stamp) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<OpenRows>> known;
  const std::lock_guard lock(mutex);
  // Those that nobody has open and nobody is opening.
  std::erase_if(known, [](const auto& each) {
    return each.second.use_count() == 1 && each.second->dataset.expired();
  });
  std::shared_ptr<OpenRows>& found = known[stamp];
  if (!found) found = std::make_shared<OpenRows>();
  return found;
}

}  // namespace

std::string rows_stamp(const Recipe& recipe, const std::vector<std::string>& files) {
  std::string stamp;
  for (const std::string& file : files) stamp += path_stamp(file);
  if (const auto columns = column_map(recipe)) {
    for (const std::string& entry : column_entries(*columns)) stamp += entry + ';';
    stamp += columns->prompt + ';' + columns->answer + ';';
  }
  return stamp + recipe.image_folder;
}

Result<std::shared_ptr<const Dataset>> shared_rows(const Recipe& recipe,
                                                   const std::vector<std::string>& files) {
  const auto entry = open_rows_of(rows_stamp(recipe, files));
  const std::lock_guard lock(entry->mutex);
  if (auto dataset = entry->dataset.lock()) return dataset;
  LUTHIER_TRY(auto dataset, open_rows(recipe, files));
  entry->dataset = dataset;
  return dataset;
}

}  // namespace luthier
