// SPDX-License-Identifier: GPL-3.0-or-later
// A way from a tower into a language model, as a family that has it: its config.json out of the two
// halves, where their tensors stand in it, what its processor is, and the stages of its paper. One
// file and one row of connector_rows() each. Internal to the composer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/lab/compose/composition.h"
#include "engine/lab/compose/halves.h"

namespace luthier {

/// What a connector is laid out between.
struct ConnectorParts {
  const ComposeOrder& order;
  const TowerHalf* tower;  ///< null: it takes none
  const LanguageSource& language;
  std::vector<ComposedWord> words;
  std::int64_t rows_lacking = 0;  ///< of the language model's tables, for the words

  bool small() const { return tower ? tower->folder.empty() : language.folder.empty(); }
  std::int64_t id(const std::string& word) const;
  /// The language model's config as a text_config, with the rows that it lacks where `grown`.
  Json text_config(bool grown = true) const;
  /// The tower's as a vision_config of this model_type.
  Json vision_config(const std::string& model_type) const;
  /// config.json's first fields.
  Json config(const std::string& architecture, const std::string& model_type) const;
  /// A picture processor of this class, which makes squares of the tower's size.
  Json picture_processor(const std::string& type) const;
  ComposedBox picture_box() const;
  ComposedBox language_box() const;
};

/// How a chat template writes a picture.
struct PictureMark {
  std::string text;  ///< as Jinja has it within quotes; empty: the family has no template
  bool bare =
      false;  ///< no space touches it, and no end of a text stands between it and the answer
};

/// Where everything stands, once config.json is settled.
struct ComposeDraft {
  std::string tower_at;  ///< in memory, before the names within a tower
  /// Names in memory, or their beginnings, of what else the tower's folder has, and what is stored
  /// there in their place.
  std::vector<std::pair<std::string, std::string>> tower_beside = {};
  /// Beginnings of names in memory, and what the language model's own model has in their place.
  std::vector<std::pair<std::string, std::string>> language_at;
  std::vector<std::string> own_words = {};  ///< of the language part, what is drawn in any case
  std::string identity = {};                ///< a matrix that begins as one
  Json image_processor, processor;          ///< preprocessor_config.json, processor_config.json
  PictureMark mark = {};
  ComposedPicture picture;
  std::vector<ComposedBox> boxes;
  std::vector<ComposedStage> stages;
  std::vector<std::string> notes = {};
};

struct Connector {
  ConnectorSummary summary;
  std::vector<TowerKind> towers;
  TowerKind small_tower = TowerKind::Clip;
  std::vector<std::string> words;   ///< that the family's processor writes
  bool pads = false;                ///< the family's processor asks for a token that fills rows up
  bool tables_grow = true;          ///< words without a row get one at the end of the tables
  bool words_have_rows = true;      ///< else nothing looks such a word up, and none is needed
  std::string small_language = {};  ///< model_type of a small language model; empty: the usual one
  /// config.json, before the order's own fields.
  Result<Json> (*configure)(const ConnectorParts& parts) = nullptr;
  Result<ComposeDraft> (*lay_out)(const ConnectorParts& parts, const Json& config) = nullptr;
};

const std::vector<Connector>& connector_rows();
/// An Input error that lists the keys there are.
Result<const Connector*> find_connector(const std::string& key);

Connector linear_connector();
Connector mlp_connector();
Connector qformer_connector();
Connector resampler_connector();
Connector gated_connector();
Connector early_connector();
Connector encoder_free_connector();
Connector prefix_mlp_connector();
Connector prefix_transformer_connector();

/// "float32" for "F32".
std::string config_dtype(const std::string& stored);
/// A stage over frozen and training parts, with a recipe.
ComposedStage freeze_stage(const std::string& name, bool vision_tower, bool projector,
                           bool language_model, std::vector<std::string> settings);
/// per_device_train_batch_size times gradient_accumulation_steps, for a paper's batch.
std::vector<std::string> batch_settings(std::int64_t rows);

}  // namespace luthier
