// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/batches/inspected_row.h"

#include <algorithm>
#include <numeric>

#include "engine/data/row_kind.h"
#include "engine/models/family.h"
#include "engine/models/model_input.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

constexpr std::size_t kShownFrames = 64;

/// Pictures and films of the row in the order in which they stand in the text.
std::vector<InspectedPicture> named_pictures(const Conversation& row) {
  std::vector<InspectedPicture> found;
  const auto add = [&](const std::vector<Message>& messages) {
    for (const Message& message : messages)
      for (const ContentPart& part : message.content) {
        if (part.kind == ContentPart::Kind::Text) continue;
        InspectedPicture picture;
        picture.film = part.kind == ContentPart::Kind::Film;
        picture.name = picture.film                    ? film_name(part.film)
                       : is_inline_picture(part.image) ? picture_name(part.image)
                                                       : part.image.filename().string();
        if (!picture.film) {
          if (const auto size = read_image_size(part.image))
            picture.width = size->width, picture.height = size->height;
        }
        found.push_back(std::move(picture));
      }
  };
  add(row.messages);
  return found;
}

/// config.json's side of a patch; 0: it names none.
int patch_side(const Json& config) {
  const auto vision = config.find("vision_config");
  if (vision == config.end() || !vision->is_object()) return 0;
  const auto side = vision->find("patch_size");
  const bool fine = side != vision->end() && side->is_number_integer() && *side > 0 && *side < 4096;
  return fine ? side->get<int>() : 0;
}

void draw(InspectedPicture& picture, const PixelValues& pixels, const ChatProcessor& processor,
          std::size_t among, int side) {
  picture.shape = pixels.shape;
  const ImageProcessor* how = processor.image_processor();
  if (!how) return;
  auto frames = shown_frames(pixels, how->among(among), kShownFrames);
  if (!frames) {
    picture.not_shown = frames.error().sentence();
    return;
  }
  picture.frames = frames.take();
  picture.patch = side;
  for (ShownFrame& frame : picture.frames) {
    if (frame.patch == 0) frame.patch = side;
    picture.patch = frame.patch;
  }
}

/// Tokens to the pictures that they stand for: as many one after another as each comes to. Between
/// a picture's tiles other tokens may stand, so a picture ends where its count does.
void assign_tokens(const Example& sequence, const std::vector<PixelValues>& images,
                   std::size_t begin, const ChatProcessor& processor, InspectedRow& row) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < sequence.input_ids.size(); ++i)
    if (processor.shows(sequence.input_ids[i])) places.push_back(begin + i);
  const std::size_t count = std::min(images.size(), row.pictures.size());
  if (count == 0 || places.empty()) return;
  // By their shares of what the tower gets: rows of pixel_values, which tokens go by.
  std::vector<std::int64_t> weights;
  for (std::size_t i = 0; i < count; ++i)
    weights.push_back(
        std::max<std::int64_t>(1, images[i].shape.empty() ? 1 : images[i].shape.front()));
  const std::int64_t all = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});
  std::int64_t before = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto total = static_cast<std::int64_t>(places.size());
    const auto from = static_cast<std::size_t>(total * before / all);
    before += weights[i];
    const auto to = static_cast<std::size_t>(total * before / all);
    InspectedPicture& picture = row.pictures[i];
    for (std::size_t place = from; place < to; ++place) {
      row.picture[places[place]] = static_cast<std::int64_t>(i);
      if (!picture.spans.empty() && picture.spans.back().second == places[place])
        ++picture.spans.back().second;
      else
        picture.spans.emplace_back(places[place], places[place] + 1);
    }
  }
}

/// The positions that the model gives the sequence's tokens, behind those of sequences before.
void add_positions(const Model& model, const Example& sequence,
                   const std::vector<PixelValues>& images, InspectedRow& row) {
  const auto tokens = static_cast<std::int64_t>(sequence.input_ids.size());
  torch::Tensor axes = torch::arange(tokens).unsqueeze(0);
  if (!images.empty()) {
    Example with = sequence;
    with.images = images;
    ModelInput input = collate(std::vector<Example>{with});
    model.prepare(input);
    if (const auto made = input.aside.find("axes"); made != input.aside.end()) axes = made->second;
  }
  const std::size_t before = row.positions.empty() ? 0 : row.positions.front().size();
  // A sequence without pictures has the same place on each axis.
  if (row.positions.size() < static_cast<std::size_t>(axes.size(0))) {
    const std::vector<std::int64_t> first =
        row.positions.empty() ? std::vector<std::int64_t>(before) : row.positions.front();
    row.positions.resize(static_cast<std::size_t>(axes.size(0)), first);
  }
  for (std::size_t axis = 0; axis < row.positions.size(); ++axis) {
    const torch::Tensor own =
        axes[std::min<std::int64_t>(static_cast<std::int64_t>(axis), axes.size(0) - 1)]
            .to(torch::kInt64)
            .contiguous();
    const auto* numbers = own.data_ptr<std::int64_t>();
    row.positions[axis].insert(row.positions[axis].end(), numbers, numbers + own.numel());
  }
}

struct Shapes {
  Json config;
  Plan plan;
  std::shared_ptr<Model> model;  ///< without memory
};

Result<Shapes> shapes_of(const std::filesystem::path& folder) {
  Shapes shapes;
  LUTHIER_TRY(shapes.config, read_json_file(folder / "config.json"));
  LUTHIER_TRY(const Family* family, find_family(shapes.config, (folder / "config.json").string()));
  LUTHIER_TRY(shapes.plan, family->read(shapes.config, folder));
  shapes.model = shapes.plan.made(torch::TensorOptions().device(torch::kMeta));
  return shapes;
}

/// The folder's processor as if the model had a position for every token.
Result<std::shared_ptr<const ChatProcessor>> without_end(const Plan& plan,
                                                         const std::filesystem::path& folder) {
  std::optional<ChatProcessor::Pictures> pictures;
  if (plan.pictures) {
    LUTHIER_TRY(ImageTokens tokens, plan.pictures->tokens(folder));
    pictures = {std::move(tokens), plan.pictures->token_id, plan.pictures->defaults};
  }
  return ChatProcessor::load(folder, std::move(pictures), {}, /*longest_row=*/0, plan.form,
                             plan.labels);
}

bool is_cut(const Result<EncodedRow>& row) {
  return row && std::any_of(row->sequences.begin(), row->sequences.end(),
                            [](const Example& each) { return each.truncated_tokens > 0; });
}

/// Of a text those tokens that were not kept. Where one was cut, special tokens may stand behind
/// the cut (a pair has two such places).
void add_lost(const std::vector<TokenId>& whole, const std::vector<TokenId>& kept,
              const Tokenizer& tokenizer, std::vector<std::string>& lost) {
  std::size_t next = 0;
  for (const TokenId id : whole) {
    if (next < kept.size() && kept[next] == id)
      ++next;
    else
      lost.push_back(tokenizer.id_to_token(id));
  }
}

/// What stands behind the context length, or behind the model's positions.
void add_cut_off(const Conversation& conversation, const RowKind& kind, RowEncoding how,
                 const ChatProcessor& processor, const Shapes& shapes,
                 const std::filesystem::path& folder, const EncodedRow& encoded,
                 const std::string& where, InspectedRow& row) {
  if (!is_cut(encoded)) return;
  how.max_length = 0;
  how.outline = true;
  auto whole = kind.encode(conversation, processor, how, where);
  if (!whole || is_cut(whole)) {  // by the model's positions, whatever the recipe allows
    const auto endless = without_end(shapes.plan, folder);
    if (!endless) return;
    whole = kind.encode(conversation, **endless, how, where);
  }
  if (!whole || whole->sequences.size() != encoded.sequences.size()) return;
  for (std::size_t i = 0; i < encoded.sequences.size(); ++i) {
    const Example &all = whole->sequences[i], &kept = encoded.sequences[i];
    if (!shapes.model->causal())
      add_lost(all.source_ids, kept.source_ids, processor.tokenizer(), row.cut_off);
    add_lost(all.input_ids, kept.input_ids, processor.tokenizer(), row.cut_off);
  }
}

}  // namespace

std::size_t InspectedPicture::tokens() const {
  std::size_t count = 0;
  for (const auto& [first, behind] : spans) count += behind - first;
  return count;
}

Result<InspectedRow> inspect_row(const Recipe& recipe, const Dataset& dataset,
                                 const ChatProcessor& processor, std::size_t number) {
  if (number >= dataset.size()) {
    return input_error("The dataset has " + std::to_string(dataset.size()) + " rows.",
                       "row " + std::to_string(number + 1), "Name one of them.");
  }
  const RowKind& kind = row_kind_of(recipe);
  LUTHIER_TRY(const Conversation conversation, read_row(dataset, number, kind));
  RowEncoding how;
  how.loss_on = loss_on_from_name(recipe.training.loss_on);
  how.max_length = recipe.training.max_length;
  const std::string where = dataset.where(number);
  LUTHIER_TRY(const EncodedRow encoded, kind.encode(conversation, processor, how, where));
  LUTHIER_TRY(const Shapes shapes, shapes_of(recipe.model));
  const int side = patch_side(shapes.config);

  InspectedRow row;
  row.row = number;
  row.pictures = named_pictures(conversation);
  for (std::size_t i = 0; i < encoded.sequences.size(); ++i) {
    const Example& sequence = encoded.sequences[i];
    row.begins.push_back(row.ids.size());
    const auto add = [&](TokenId id, bool trained) {
      row.ids.push_back(id);
      row.pieces.push_back(processor.tokenizer().id_to_token(id));
      row.trained.push_back(trained);
      row.picture.push_back(-1);
    };
    // What another tokenizer made of the question (InstructBLIP) are no pieces of this one.
    const bool read = !shapes.model->causal();
    if (read)
      for (const TokenId id : sequence.source_ids) add(id, false);
    const std::size_t begin = row.ids.size();
    for (std::size_t at = 0; at < sequence.input_ids.size(); ++at)
      add(sequence.input_ids[at], sequence.labels[at] != kIgnoreLabel);
    // Each sequence shows the row's pictures.
    const std::vector<PixelValues>& images = encoded.pictures_of(i);
    const std::size_t count = std::min(images.size(), row.pictures.size());
    for (std::size_t each = 0; i == 0 && each < count; ++each)
      draw(row.pictures[each], images[each], processor, images.size(), side);
    assign_tokens(sequence, images, begin, processor, row);
    if (!read) add_positions(*shapes.model, sequence, images, row);
  }
  add_cut_off(conversation, kind, how, processor, shapes, recipe.model, encoded, where, row);
  return row;
}

Json to_json(const InspectedRow& row) {
  Json document = Json::object();
  document["row"] = row.row + 1;  // as people count
  Json tokens = Json::array();
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    Json token = Json::object();
    token["id"] = row.ids[i];
    token["piece"] = row.pieces[i];
    token["trained"] = static_cast<bool>(row.trained[i]);
    if (row.picture[i] >= 0) token["picture"] = row.picture[i] + 1;
    if (!row.positions.empty() && i < row.positions.front().size()) {
      Json places = Json::array();
      for (const auto& axis : row.positions) places.push_back(axis[i]);
      token["position"] = places.size() == 1 ? places.front() : places;
    }
    tokens.push_back(std::move(token));
  }
  document["sequences"] = row.begins;
  document["tokens"] = std::move(tokens);
  Json pictures = Json::array();
  for (const InspectedPicture& picture : row.pictures) {
    Json shown = Json::object();
    shown["name"] = picture.name;
    shown["film"] = picture.film;
    if (picture.width > 0) shown["size"] = Json::array({picture.width, picture.height});
    shown["shape"] = picture.shape;
    if (picture.patch > 0) shown["patch"] = picture.patch;
    Json frames = Json::array();
    for (const ShownFrame& frame : picture.frames)
      frames.push_back(Json::array({frame.width, frame.height}));
    shown["frames"] = std::move(frames);
    Json spans = Json::array();
    for (const auto& [first, behind] : picture.spans) spans.push_back(Json::array({first, behind}));
    shown["spans"] = std::move(spans);
    shown["tokens"] = picture.tokens();
    if (!picture.not_shown.empty()) shown["not_shown"] = picture.not_shown;
    pictures.push_back(std::move(shown));
  }
  document["pictures"] = std::move(pictures);
  document["cut_off"] = row.cut_off;
  return document;
}

}  // namespace luthier
