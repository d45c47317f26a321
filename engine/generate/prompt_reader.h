// SPDX-License-Identifier: GPL-3.0-or-later
// Prompts on their way into the model: which are read together, what their pictures are to the
// tower, and which adapter each row is decoded under.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <memory>

#include "engine/generate/decoding_work.h"
#include "engine/methods/routed_adapters.h"
#include "engine/models/model_input.h"

namespace luthier {

/// The adapters of rows while they are decoded: one is simply active, several are routed.
class RowAdapters {
 public:
  /// `rows`: all that are decoded while these hang.
  RowAdapters(const DecodingWork& work, const std::vector<std::size_t>& rows);
  ~RowAdapters();
  RowAdapters(const RowAdapters&) = delete;
  RowAdapters& operator=(const RowAdapters&) = delete;

  /// The rows of what is decoded next, by their answers.
  void set_rows(const std::vector<std::size_t>& rows);

 private:
  const DecodingWork& work_;
  std::vector<Adapter*> distinct_;
  Adapter* alone_ = nullptr;
  std::unique_ptr<RoutedAdapters> routed_;
};

/// What prompts must have in common to be read in one batch. Rows that are routed are told apart by
/// equal parts of what passes a plug, in the tower too, so their pictures are alike.
struct ReadingKey {
  std::size_t length = 0;
  std::vector<std::int64_t> pictures;
  auto operator<=>(const ReadingKey&) const = default;
};

ReadingKey reading_key(const DecodingWork& work, std::size_t index);

/// Prompts as the model takes them. A plain tower looks once at pictures that several answers are
/// to, as where columns of a comparison answer one sample.
class PromptReader {
 public:
  explicit PromptReader(const DecodingWork& work);

  /// `comes_again`: whether another answer to this prompt waits.
  ModelInput read(const std::vector<const Example*>& prompts,
                  const std::function<bool(const Example*)>& comes_again);

 private:
  const DecodingWork& work_;
  const bool plain_tower_;
  std::map<const Example*, torch::Tensor> features_;  ///< of prompts that come again
};

}  // namespace luthier
