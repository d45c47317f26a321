// SPDX-License-Identifier: GPL-3.0-or-later
// A family is a kind of checkpoint: it reads config.json once into a plan, and the plan is all that
// loading, describing and processing need. Who adds one writes its files and a row in families.cpp.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/processor.h"
#include "engine/hub/found.h"
#include "engine/io/json.h"
#include "engine/models/model.h"

namespace luthier {

/// How a model takes pictures.
struct PicturePlan {
  TokenId token_id = -1;  ///< of each of a picture's tokens; −1: pictures are not in the text
  ProcessorDefaults defaults;  ///< of the picture processor, where the folder's files say nothing
  /// How pictures are written into the text, by the folder's processor settings, else by the
  /// model's config. An Input error where processor and model do not belong together.
  std::function<Result<ImageTokens>(const std::filesystem::path& folder)> tokens;
  bool films = false;  ///< what `tokens` gives says how films are written, too
};

/// Who owns the output head's weight.
enum class HeadWeight {
  AsConfigured,  ///< the embedding, where config.json ties the two
  Own,           ///< the head itself, whatever config.json says
};

/// What a family made of one config.json.
struct Plan {
  /// Builds the modules with uninitialised tensors of these options (device may be meta).
  std::function<std::shared_ptr<Model>(const torch::TensorOptions& tensors, HeadWeight head)> build;
  std::optional<PicturePlan> pictures;   ///< none: the model reads text alone
  RowForm form = RowForm::ChatTemplate;  ///< of rows, where it takes none
  double initializer_range = 0.02;       ///< of weights that are drawn
  /// The same tensor by tensor, by its in-memory name; empty: one range for all.
  std::function<double(const std::string& name)> initializer_ranges;
  std::int64_t longest_row = 0;  ///< tokens that the model has positions for; 0: no end
  RowLabels labels;              ///< what the model knows of rows that are no texts alone

  /// As config.json has it.
  std::shared_ptr<Model> made(const torch::TensorOptions& tensors) const {
    return build(tensors, HeadWeight::AsConfigured);
  }
};

/// Plan::build of a class that is made from options with a `tie_word_embeddings`.
template <typename Made, typename Options>
auto builder(const Options& options) {
  return [options](const torch::TensorOptions& tensors, HeadWeight head) {
    Options chosen = options;
    if (head == HeadWeight::Own) chosen.tie_word_embeddings = false;
    return std::shared_ptr<Model>(std::make_shared<Made>(chosen, tensors));
  };
}

/// A stored tensor that is so many rows of one matrix of a stack.
struct StackPiece {
  std::string name;  ///< in memory, if it were a parameter of its own
  std::int64_t matrix = 0, row = 0, rows = 0;
};

/// transformers' classes that have a head of classes; null: there is none.
struct ClassHeads {
  const char *rows = nullptr, *tokens = nullptr, *pictures = nullptr;

  bool any() const { return rows || tokens || pictures; }
  const char* of(ClassOptions::Of what) const {
    return what == ClassOptions::Of::Row     ? rows
           : what == ClassOptions::Of::Token ? tokens
                                             : pictures;
  }
};

class GivenArguments;

/// How a family's class of transformers is called by tensors, and what it gives of its pictures
/// (models/class_forward.h).
struct ByTensors {
  /// What it is given of pictures; null: a frame each, or patches by image_grid_thw.
  Status (*pictures)(const GivenArguments& given, const Json& config, ModelInput& input) = nullptr;
  /// What pictures became on their way into the text, as `image_hidden_states`: all rows one below
  /// the other, or frame by frame.
  enum class States { None, Flat, ByFrame, ByRow } image_hidden_states = States::None;
  bool rope_deltas = false;  ///< and how far positions are ahead of a row's length
};

/// A row of the table of families.
struct Family {
  const char* model_type;
  bool takes_pictures;  ///< its folders hold a picture processor
  /// Reads config.json (already parsed); `folder` is where it lies, for what errors say.
  Result<Plan> (*read)(const Json& config, const std::filesystem::path& folder);
  /// Any known stored name → our (transformers 5.17's) in-memory name.
  std::string (*memory_name)(const std::string& stored);
  /// In-memory name → what transformers 5.17's save_pretrained writes.
  std::string (*stored_name)(const std::string& memory);
  /// pixel_values in the layout of the family's transformers processor, from the batch's; null: as
  /// they are.
  torch::Tensor (*processor_layout)(const ModelInput& input) = nullptr;
  /// Makes config.json say that the head has a weight of its own; null: tie_word_embeddings says
  /// that and nothing else.
  void (*untie)(Json& config) = nullptr;
  /// Whether files may have the parameter of this in-memory name with its last two axes exchanged,
  /// which its shape then says; null: none is.
  bool (*may_be_turned)(const std::string& name) = nullptr;
  /// The pieces that files may have in the place of the parameter of this in-memory name and shape,
  /// in its order; null: all stand as they are in memory.
  std::vector<StackPiece> (*pieces_of)(const std::string& name,
                                       const std::vector<std::int64_t>& shape) = nullptr;
  /// Makes config.json say that a saved folder lacks what is left unread of others; null: all is
  /// read.
  void (*leave_out)(Json& config) = nullptr;
  ClassHeads class_heads = {};
  ByTensors by_tensors = {};
};
const std::vector<Family>& families();
/// For who looks through folders without loading them.
std::vector<LoadableType> loadable_types();
/// Input error naming config.json: model_type and the types there are.
Result<const Family*> find_family(const Json& config, const std::string& where);

/// For families whose files have the names in memory.
std::string same_name(const std::string& name);

}  // namespace luthier
