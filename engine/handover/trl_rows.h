// SPDX-License-Identifier: GPL-3.0-or-later
// Rows in TRL's form, and whether TRL's own collators make the same tokens and labels of them as
// this program does.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/handover/trainers.h"

namespace luthier::handover {

/// Who tokenizes rows there.
enum class Tokenizing {
  Trl,        ///< TRL: prompt and completion
  Messages,   ///< TRL, every token of messages being learned
  Assistant,  ///< TRL, by the template's own marks of what an assistant says
  Script      ///< functions of the script, as this program does
};

/// What all rows come to together.
struct RowFacts {
  bool pictures = false;
  Tokenizing tokenizing = Tokenizing::Trl;
  LossOn loss_on = LossOn::Completion;   ///< of Script: which tokens carry a loss
  bool margins = false;                  ///< rows say by how much one answer is better
  std::set<std::string> more_keys = {};  ///< of messages, beside role and content
};

/// A dataset's usable rows on their way to the script.
struct RowsToWrite {
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const ChatProcessor> processor;
  const RowKind* kind = nullptr;
  LossOn loss_on = LossOn::Completion;
  std::vector<std::int64_t> usable;
};

using Progress = std::function<bool(std::size_t done, std::size_t total)>;

/// Looks at every row. Input errors name a row that TRL's trainers do not take.
Result<RowFacts> survey_rows(const std::vector<RowsToWrite>& sets, const TrlTrainer& trainer,
                             const std::filesystem::path& model, const Progress& progress);

/// Where pictures lie: those of files below `root`, those that stand in rows in a folder of their
/// own.
struct PicturePlaces {
  std::filesystem::path root;  ///< empty: the script's own folder
  std::size_t written = 0;
};
/// The folder that all pictures of files are below; empty where some stand in rows.
Result<PicturePlaces> picture_places(const std::vector<RowsToWrite>& sets,
                                     const Progress& progress);

/// One JSON line a row, and the pictures that stand in rows as files in FOLDER/pictures.
Status write_trl_rows(const RowsToWrite& rows, const TrlTrainer& trainer, const RowFacts& facts,
                      PicturePlaces& places, const std::filesystem::path& folder,
                      const std::string& name, const Progress& progress);

}  // namespace luthier::handover
