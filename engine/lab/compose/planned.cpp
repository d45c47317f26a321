// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/compose/planned.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/base/text.h"
#include "engine/lab/compose/set_fields.h"
#include "engine/lab/compose/words.h"
#include "engine/models/stored_parameter.h"

namespace luthier {

namespace {

Status check_order(const ComposeOrder& order, const Connector& row) {
  const std::string& key = row.summary.key;
  if (row.towers.empty() && !order.tower.empty())
    return input_error("The connector " + key +
                           " has no tower: patches go into the language model "
                           "themselves.",
                       "--tower", "Leave it out.");
  if (!row.towers.empty() && order.tower.empty())
    return input_error("The connector " + key + " needs a tower.", "--tower",
                       "Give a folder of " + row.summary.towers + ", or write small.");
  if (order.language_model.empty())
    return input_error("There is no language model.", "--language-model",
                       "Give a folder, or write small.");
  if (order.queries != 0 && !row.summary.has_queries)
    return input_error("The connector " + key + " has no queries: every state goes on.",
                       "--queries", "Leave it out.");
  if (order.every != 0 && !row.summary.has_interval)
    return input_error("The connector " + key + " stands before the first layer alone.", "--every",
                       "Leave it out.");
  if (order.queries < 0 || order.every < 0)
    return input_error("A number above 0 is expected.", order.every < 0 ? "--every" : "--queries");
  return {};
}

Status check_tower_kind(const TowerHalf& tower, const Connector& row) {
  if (std::find(row.towers.begin(), row.towers.end(), tower.kind) != row.towers.end()) return {};
  return input_error("The connector " + row.summary.key + " becomes a " + row.summary.model_type +
                         ", whose tower is not built like a " + tower.type + ".",
                     tower.folder.string(), "It takes " + row.summary.towers + ".");
}

bool is_plain_type(DType type) {
  return type == DType::F32 || type == DType::F16 || type == DType::BF16;
}

std::string new_dtype(const PlannedComposition& planned) {
  const std::string& type = planned.language.dtype;
  return type == "BF16" || type == "F16" ? type : "F32";
}

/// A tensor of the tower's folder: of one stored tensor, or of several one below the other.
Status take_from_tower(const TowerHalf& tower, const std::vector<std::string>& pieces,
                       ComposedTensor& tensor) {
  std::vector<std::int64_t> wanted = tensor.shape;  // of each
  if (!wanted.empty()) wanted[0] /= static_cast<std::int64_t>(pieces.size());
  DType type = DType::F32;
  for (const std::string& stored : pieces) {
    const auto found = tower.files->tensors().find(stored);
    const std::string where = tower.folder.string() + ": " + stored;
    if (found == tower.files->tensors().end())
      return input_error("The tower's weights lack this tensor.", where,
                         "Its config.json and its weights do not belong together.");
    const TensorInfo& info = found->second;
    if (!is_plain_type(info.dtype))
      return input_error("The tensor is stored as " + dtype_name(info.dtype) + ".", where,
                         "Give a tower whose weights are float32, bfloat16 or float16.");
    if (info.shape != wanted)
      return input_error(
          "The tensor is " + shape_text(info.shape) + ", and " + shape_text(wanted) + " is needed.",
          where, "Its config.json and its weights do not belong together.");
    // Of several types what holds them all.
    type = tensor.from.empty() || info.dtype == type ? info.dtype : DType::F32;
    tensor.from.push_back(stored);
  }
  tensor.origin = ComposedTensor::Origin::Tower;
  tensor.dtype = dtype_name(type);
  return {};
}

/// A tensor of the language model, of which the tables of words may lack rows.
Status take_from_language(const PlannedComposition& planned, std::int64_t lacking,
                          PlannedTensor& tensor) {
  const LanguageSource& language = planned.language;
  std::vector<std::int64_t> shape = tensor.shown.shape;
  const bool table =
      planned.connector->tables_grow && lacking > 0 && shape.size() == 2 &&
      shape[0] == language.vocab_size + lacking &&
      (tensor.source.ends_with("embed_tokens.weight") || tensor.source == "lm_head.weight");
  if (table) {
    shape[0] = language.vocab_size;
    tensor.shown.rows_added = lacking;
  }
  LUTHIER_TRY(const StoredParameter stored,
              StoredParameter::find(
                  {*language.family, *language.files, language.names, language.folder.string()},
                  tensor.source, shape));
  if (!is_plain_type(stored.dtype()))
    return input_error("The tensor is stored as " + dtype_name(stored.dtype()) + ".",
                       stored.parts().front().place,
                       "Give a language model whose weights are float32, bfloat16 or float16.");
  const auto whole = language.names.find(tensor.source);
  if (whole != language.names.end()) {
    tensor.shown.from = {whole->second};
  } else {
    for (const StoredParameter::Part& part : stored.parts()) tensor.shown.from.push_back(part.name);
  }
  tensor.shown.origin = ComposedTensor::Origin::LanguageModel;
  tensor.shown.dtype = dtype_name(stored.dtype());
  return {};
}

/// The language model's own name of what is `name` in the composition; empty: it has none.
std::string language_name(const ComposeDraft& draft, const std::string& name) {
  const auto& drawn = draft.own_words;
  if (std::find(drawn.begin(), drawn.end(), name) != drawn.end()) return {};
  for (const auto& [here, there] : draft.language_at)
    if (name.starts_with(here)) return there + name.substr(here.size());
  return {};
}

Status place_tensor(const PlannedComposition& planned, std::int64_t lacking,
                    PlannedTensor& tensor) {
  const ComposeDraft& draft = planned.draft;
  const std::string& name = tensor.shown.name;
  if (!draft.tower_at.empty() && name.starts_with(draft.tower_at)) {
    if (!planned.tower->files) return {};
    const TowerHalf& tower = *planned.tower;
    return take_from_tower(tower, tower.stored(name.substr(draft.tower_at.size())), tensor.shown);
  }
  for (const auto& [here, stored] : draft.tower_beside) {
    if (!name.starts_with(here)) continue;
    if (!planned.tower->files) return {};
    return take_from_tower(*planned.tower, {stored + name.substr(here.size())}, tensor.shown);
  }
  tensor.source = language_name(draft, name);
  if (tensor.source.empty() || !planned.language.files) return {};
  return take_from_language(planned, lacking, tensor);
}

Status place_tensors_of(PlannedComposition& planned, const Plan& plan, std::int64_t lacking) {
  std::set<std::string> taken;
  for (const auto& module :
       planned.shapes->named_modules(/*name_prefix=*/"", /*include_self=*/true)) {
    const auto* owner = dynamic_cast<const ParameterModule*>(module.value().get());
    if (!owner) continue;
    for (const auto& item : module.value()->named_parameters(/*recurse=*/false)) {
      PlannedTensor tensor;
      tensor.owner = owner, tensor.slot = item.key();
      tensor.shown.name = module.key().empty() ? item.key() : module.key() + "." + item.key();
      tensor.shown.stored = planned.family->stored_name(tensor.shown.name);
      tensor.shown.part = planned.shapes->part_of(tensor.shown.name);
      tensor.shown.shape = item.value().sizes().vec();
      tensor.shown.dtype = new_dtype(planned);
      tensor.range = plan.initializer_ranges ? plan.initializer_ranges(tensor.shown.name)
                                             : plan.initializer_range;
      LUTHIER_CHECK(place_tensor(planned, lacking, tensor));
      if (!tensor.source.empty()) taken.insert(tensor.source);
      planned.tensors.push_back(std::move(tensor));
    }
  }
  for (const std::string& own : planned.language.parameters)
    if (!taken.contains(own))
      return input_error("The composition has no place for the language model's " + own + ".",
                         "config.json",
                         "Leave the fields of --set out that cut the language model.");
  return {};
}

std::int64_t numbers_in(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<ComposedPart> summed_parts(const PlannedComposition& planned) {
  std::vector<ComposedPart> parts;
  for (const std::string& name : planned.shapes->parts()) {
    ComposedPart part;
    part.part = name;
    if (name == kVisionTower && planned.tower) {
      part.what = described(*planned.tower), part.folder = planned.tower->folder.string();
    } else if (name == kLanguageModel) {
      part.what = described(planned.language), part.folder = planned.language.folder.string();
    } else {
      part.what = planned.connector->summary.title;
    }
    for (const PlannedTensor& tensor : planned.tensors) {
      if (tensor.shown.part != name) continue;
      const std::int64_t numbers = numbers_in(tensor.shown.shape);
      part.parameters += numbers;
      if (part.folder.empty() && tensor.shown.origin == ComposedTensor::Origin::Tower)
        part.folder = planned.tower->folder.string();  // the first stage's Q-Former
      if (tensor.shown.origin == ComposedTensor::Origin::Drawn) {
        part.drawn += numbers;
      } else if (tensor.shown.rows_added > 0) {
        part.drawn += numbers / tensor.shown.shape.front() * tensor.shown.rows_added;
      }
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

Status check_room(const ComposedPicture& picture, const LanguageSource& language) {
  if (language.positions == 0 || picture.text_tokens < language.positions) return {};
  return input_error("A picture takes " + with_commas(picture.text_tokens) +
                         " places of the text, and the language model has positions for " +
                         with_commas(language.positions) + " tokens.",
                     language.folder.empty() ? "--language-model" : language.folder.string(),
                     "Give a tower with fewer patches, a connector of few queries, or a language "
                     "model for longer texts.");
}

Result<PlannedComposition> plan_halves(const ComposeOrder& order) {
  PlannedComposition planned;
  LUTHIER_TRY(planned.connector, find_connector(order.connector));
  const Connector& row = *planned.connector;
  LUTHIER_CHECK(check_order(order, row));
  if (!row.towers.empty()) {
    LUTHIER_TRY(planned.tower, read_tower_half(order.tower, row.small_tower));
    LUTHIER_CHECK(check_tower_kind(*planned.tower, row));
  }
  LUTHIER_TRY(planned.language, read_language_half(order.language_model, row.small_language));
  LUTHIER_TRY(std::vector<ComposedWord> words, place_words(planned.language, row.words));
  for (ComposedWord& word : words)
    if (!row.words_have_rows && word.row == ComposedWord::Row::New)
      word.row = ComposedWord::Row::None;
  const ConnectorParts parts{order, planned.tower ? &*planned.tower : nullptr, planned.language,
                             words, rows_lacking(planned.language, words)};
  Composition& shown = planned.shown;
  LUTHIER_TRY(const Json made, row.configure(parts));
  LUTHIER_TRY(shown.config, with_set_fields(made, parts, row));
  // The family first: it bounds what the drawing multiplies.
  LUTHIER_TRY(planned.family, find_family(shown.config, "config.json"));
  LUTHIER_TRY(const Plan plan, planned.family->read(shown.config, ""));
  LUTHIER_TRY(planned.draft, row.lay_out(parts, shown.config));
  planned.shapes = plan.made(torch::TensorOptions().device(torch::kMeta));
  LUTHIER_CHECK(place_tensors_of(planned, plan, parts.rows_lacking));

  shown.order = order;
  shown.model_type = row.summary.model_type, shown.architecture = row.summary.architecture;
  for (const PlannedTensor& tensor : planned.tensors) shown.tensors.push_back(tensor.shown);
  shown.parts = summed_parts(planned);
  shown.words = std::move(words);
  shown.picture = planned.draft.picture;
  if (planned.tower) {
    const TowerHalf& tower = *planned.tower;
    shown.picture.height = shown.picture.width = tower.sizes.image_height;
    shown.picture.patch = tower.sizes.patch_size;
    shown.picture.tower_tokens = tower.tokens();
  }
  LUTHIER_CHECK(check_room(shown.picture, planned.language));
  shown.boxes = planned.draft.boxes;
  shown.stages = planned.draft.stages;
  shown.notes = planned.draft.notes;
  if (!planned.draft.mark.text.empty()) {
    LUTHIER_TRY(const PictureTemplate chat, picture_template(planned.language, planned.draft.mark));
    shown.notes.push_back(chat.note);
  }
  if (parts.rows_lacking > 0 && row.tables_grow && planned.language.files)
    shown.notes.push_back(std::to_string(parts.rows_lacking) +
                          " rows are added to the language model's tables of words, each the mean "
                          "of the others.");
  return planned;
}

}  // namespace

Result<PlannedComposition> plan_whole(const ComposeOrder& order) {
  auto planned = plan_halves(order);
  if (!planned) return said_of_set_field(planned.error(), order);
  return planned;
}

}  // namespace luthier
