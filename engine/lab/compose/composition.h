// SPDX-License-Identifier: GPL-3.0-or-later
// The composer: a picture tower, a connector and a language model become one checkpoint of a family
// that exists. Tower and language model come from checkpoints, tensor by tensor in the digits that
// they are stored in, or are small and drawn; the connector is drawn. What it comes to (shapes,
// tokens, which tensor comes from where, what trains in which stage) is known before any weight is
// read. No torch header: for windows, too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// In the place of a checkpoint's folder: the teaching model's shapes, drawn.
inline constexpr const char* kSmallHalf = "small";

struct ComposeOrder {
  std::string tower;                        ///< a folder, kSmallHalf; empty where there is none
  std::string connector = "mlp";            ///< a key of connectors()
  std::string language_model = kSmallHalf;  ///< a folder, or kSmallHalf
  std::int64_t every = 0;    ///< a gated layer stands before each so many; 0: as the paper's
  std::int64_t queries = 0;  ///< states that stand for a picture; 0: as the paper's
  std::uint64_t seed = 42;   ///< of what is drawn
  /// Fields of the config.json to be written, by dotted names ("qformer_config.hidden_size").
  std::vector<std::pair<std::string, Json>> fields = {};
};

/// A row of the table of connectors, for who lists them.
struct ConnectorSummary {
  std::string key, title;
  std::string model_type, architecture;  ///< the family that it becomes, transformers' class
  std::string towers;                    ///< what it takes as a tower; empty: none
  std::string language_models;
  bool has_queries = false, has_interval = false;
};
std::vector<ConnectorSummary> connectors();

/// A tensor of the composed checkpoint.
struct ComposedTensor {
  enum class Origin { Tower, LanguageModel, Drawn };

  std::string name;    ///< in memory
  std::string stored;  ///< in its file
  std::string part;    ///< vision_tower, projector, language_model
  std::string dtype;   ///< "F32", as it is stored
  std::vector<std::int64_t> shape;
  Origin origin = Origin::Drawn;
  /// The tensors of the half's checkpoint that it is made of, one below the other; empty: drawn.
  std::vector<std::string> from = {};
  std::int64_t rows_added = 0;  ///< behind those: words that the half's table has no rows for
};

/// One of the three parts.
struct ComposedPart {
  std::string part, what;  ///< "vision_tower"; "clip_vision_model, 24 layers of 1,024"
  std::string folder;      ///< empty: all of it is drawn
  std::int64_t parameters = 0, drawn = 0;
};

/// A word that the family needs, and where the table has it.
struct ComposedWord {
  enum class Row { Known, Free, New, None };

  std::string text;
  std::int64_t id = 0;
  /// Known: the tokenizer had it; Free: a row that no token used; New: a row was added; None: it
  /// lies behind the table, since nothing looks it up.
  Row row = Row::Known;
  bool entered = false;  ///< among the tokenizer's added tokens, where it was not
};

/// What becomes of one picture.
struct ComposedPicture {
  std::int64_t height = 0, width = 0, patch = 0;
  std::int64_t tower_tokens = 0;  ///< inside the tower; 0: there is none
  std::int64_t states = 0;        ///< that the language model gets of it
  std::int64_t text_tokens = 0;   ///< places that it takes in a row of text
};

/// A step of the drawing, from the picture downwards: a box, and what goes on to the next.
struct ComposedBox {
  std::string name, what, passes;
};

/// A stage of the training that the connector's paper proposes.
struct ComposedStage {
  std::string name, learns;
  bool vision_tower = false, projector = false, language_model = false;  ///< what trains
  std::string paper;                                                     ///< its numbers, and whose
  std::string strategy = "freeze";                                       ///< of a recipe
  std::vector<std::string> settings;  ///< and its other settings, KEY=VALUE
  std::string lacks = {};             ///< why there is no recipe; empty: there is one
};

struct Composition {
  ComposeOrder order;
  std::string model_type, architecture;
  Json config;  ///< config.json
  std::vector<ComposedTensor> tensors;
  std::vector<ComposedPart> parts;
  std::vector<ComposedWord> words;
  ComposedPicture picture;
  std::vector<ComposedBox> boxes;
  std::vector<ComposedStage> stages;
  std::vector<std::string> notes;  ///< what a person should know of it

  std::int64_t parameters() const;
};

/// What the order comes to; headers and small files are read, no weights. Input errors name the
/// half at fault, its file and field: a tower that the connector does not take, a folder that is no
/// model, sizes that do not fit.
Result<Composition> plan_composition(const ComposeOrder& order);

/// The same, written to `out`, which must not be there: weights one tensor after another, config,
/// tokenizer, picture processor, template; and beside it OUT.stages.yaml, a recipe of the stages
/// without rows. Nothing half-written stays. `go_on`: called with the share that is written; false
/// ends it (Interrupted). The same order gives the same bytes.
Result<Composition> write_composition(const ComposeOrder& order, const std::filesystem::path& out,
                                      const std::function<bool(double share)>& go_on = {});

/// Where write_composition puts the stages' recipe.
std::filesystem::path stages_recipe_path(const std::filesystem::path& out);
/// The recipe of a composition's stages over `model`; an Input error where none has a recipe.
Result<std::string> stages_recipe(const Composition& composition,
                                  const std::filesystem::path& model);

/// The plan as a drawing: boxes below one another with shapes and token counts, then the stages.
std::string drawing(const Composition& composition);
/// The document of `compose --json`.
Json to_json(const Composition& composition);

}  // namespace luthier
