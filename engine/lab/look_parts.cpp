// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/look_parts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <tuple>
#include <unordered_set>

#include "engine/models/clipseg/segmenter.h"
#include "engine/objectives/picture_views.h"
#include "engine/vision/picture_colours.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;
using torch::Tensor;

std::string shown_piece(const Tokenizer& tokenizer, TokenId id) {
  return tokenizer.id_to_token(id);
}

MicroBatch alone(const MicroBatch& batch, std::size_t number) {
  MicroBatch one;
  one.rows = {batch.rows[number]};
  one.encoded = {batch.encoded[number]};
  one.cached = {nullptr};
  return one;
}

/// Whose rows [tokens, hidden] differ: a token that another one does not see moves nothing of it.
std::vector<bool> moved(const Tensor& before, const Tensor& after) {
  const Tensor far = (before - after).abs().amax(-1), most = before.abs().amax().clamp_min(1e-6);
  const Tensor which = (far > most * 1e-7).to(torch::kCPU).contiguous();
  const bool* values = which.data_ptr<bool>();
  return std::vector<bool>(values, values + which.size(0));
}

/// Two tokens of the vocabulary that are none of its special ones.
std::pair<TokenId, TokenId> plain_tokens(const Tokenizer& tokenizer) {
  std::vector<TokenId> found;
  for (TokenId id = tokenizer.vocab_size() - 1; id >= 0 && found.size() < 2; --id)
    if (!tokenizer.is_special(id)) found.push_back(id);
  found.resize(2, 0);
  return {found[0], found[1]};
}

/// The ids with another plain token at `place`.
Tensor exchanged(const Tensor& ids, std::int64_t place, const std::pair<TokenId, TokenId>& plain) {
  Tensor other = ids.clone();
  const bool same = other[place].item<std::int64_t>() == plain.first;
  other[place] = same ? plain.second : plain.first;
  return other;
}

/// Fills `sees` column by column: `column(j)` says for each token whether it has moved with j.
void measure(LookRow& row, const std::function<std::vector<bool>(std::size_t)>& column) {
  const std::size_t size = row.size();
  row.sees.assign(size * size, false);
  for (std::size_t j = 0; j < size; ++j) {
    const std::vector<bool> of_j = column(j);
    for (std::size_t i = 0; i < size && i < of_j.size(); ++i) row.sees[i * size + j] = of_j[i];
  }
}

void measure_causal(Causal& model, const ModelInput& input, LookRow& row) {
  const Tensor plain = model.embed(input).embeddings,
               before = model.decode(model.embed(input), nullptr);
  measure(row, [&](std::size_t j) {
    TokenSequence other = model.embed(input);
    other.embeddings = plain.clone();
    const auto place = static_cast<std::int64_t>(j);
    other.embeddings[place].neg_().add_(0.37);
    return moved(before, model.decode(other, nullptr));
  });
}

void measure_encoder(Encoder& model, const ModelInput& input, const Tokenizer& tokenizer,
                     LookRow& row) {
  const Tensor before = model.encode(input);
  const auto plain = plain_tokens(tokenizer);
  measure(row, [&](std::size_t j) {
    ModelInput other = input;
    other.input_ids = exchanged(input.input_ids, static_cast<std::int64_t>(j), plain);
    return moved(before, model.encode(other));
  });
}

void measure_two_texts(SequenceToSequence& model, const ModelInput& input,
                       const Tokenizer& tokenizer, LookRow& row) {
  const RowStates memory = model.encode(input);
  const Tensor before = model.decode(input, memory, nullptr);
  const auto plain = plain_tokens(tokenizer);
  const std::size_t read = row.read.size();
  measure(row, [&](std::size_t j) {
    ModelInput other = input;
    const bool of_source = j < read;
    const auto place = static_cast<std::int64_t>(of_source ? j : j - read);
    Tensor& ids = of_source ? other.source_ids : other.input_ids;
    ids = exchanged(ids, place, plain);
    std::vector<bool> seen(read, false);
    RowStates now = memory;
    if (of_source) {
      now = model.encode(other);
      seen = moved(memory.states, now.states);
      seen.resize(read, false);
    }
    const std::vector<bool> own = moved(before, model.decode(other, now, nullptr));
    seen.insert(seen.end(), own.begin(), own.end());
    return seen;
  });
}

/// Patches see one another and no word; of words CLIP's see those before, others' all.
void write_apart(bool causal_text, LookRow& row) {
  const std::size_t size = row.size(), patches = row.read.size();
  row.sees.assign(size * size, false);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      const bool same = (i < patches) == (j < patches);
      row.sees[i * size + j] = same && (i < patches || !causal_text || j <= i);
    }
  }
}

/// Patches see one another, and each word all of them and its own past.
void write_across(LookRow& row) {
  const std::size_t size = row.size(), patches = row.read.size();
  row.sees.assign(size * size, false);
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < size; ++j)
      row.sees[i * size + j] = j < patches || (i >= patches && j <= i);
}

/// A tower's tokens: the patches, behind a class token where there is one more than a square has.
std::vector<LookToken> patches_of(const ModelGeometry& geometry) {
  const std::int64_t tokens = geometry.vision_tokens;
  const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(tokens)));
  const bool leads = side * side + 1 == tokens;
  std::vector<LookToken> read(static_cast<std::size_t>(tokens));
  for (std::int64_t i = 0; i < tokens; ++i) {
    LookToken& token = read[static_cast<std::size_t>(i)];
    token.special = leads && i == 0;
    token.picture = !token.special;
    token.piece = token.special ? "[CLS]" : std::to_string(leads ? i : i + 1);
  }
  return read;
}

/// The states that predict the batch's labels, in their order.
Tensor predicting(Model& model, const ModelInput& input) {
  if (model.causal()) return labelled_states(model, input).hidden;
  const Tensor places = label_places(input);
  if (Encoder* encoder = model.encoder())
    return encoder->before_head(encoder->encode(input).index_select(0, places));
  return states_before_head(model, input).index_select(0, places);
}

/// What a head of classes is to say, of the row by its first token or of each labelled token, and
/// what it says.
void show_classes(Classifier& model, const EncodedRow& encoded, const ModelInput& input, bool asks,
                  LookRow& row) {
  const ClassOptions& classes = model.classes();
  if (!classes.counts() || row.tokens.empty()) return;
  Tensor sure, likeliest;
  if (asks)
    std::tie(sure, likeliest) =
        torch::softmax(model.classify(input).to(torch::kFloat32), -1).max(-1);
  const auto named = [&](std::int64_t number) {
    return number >= 0 && number < classes.numbers()
               ? classes.names[static_cast<std::size_t>(number)]
               : std::string();
  };
  const auto tell = [&](LookToken& token, std::int64_t label, std::int64_t place) {
    token.learned = true;
    token.label = named(label);
    if (!asks) return;
    token.guess = named(likeliest[place].item<std::int64_t>());
    token.sureness = sure[place].item<double>();
  };
  const Example& example = encoded.sequences.front();
  if (classes.of != ClassOptions::Of::Token) {
    if (!encoded.targets.empty())
      tell(row.tokens.front(), static_cast<std::int64_t>(encoded.targets.front()), 0);
    return;
  }
  for (std::size_t i = 0; i < row.tokens.size(); ++i)
    if (example.labels[i] != kIgnoreLabel)
      tell(row.tokens[i], example.labels[i], static_cast<std::int64_t>(i));
}

/// Which patches a row's noise covers, as ViTMAE has it: all but those of the smallest. Of a model
/// that covers none: no patch.
Result<std::vector<bool>> covered_patches(const LoadedModel& base, const EncodedRow& encoded) {
  std::vector<bool> covered;
  if (!base.model->patch_rebuilder()) return covered;
  const std::string file = (base.folder / "config.json").string();
  LUTHIER_TRY(const double ratio, json_number(base.config, "mask_ratio", file, 0.75));
  std::vector<double> sorted = encoded.targets;
  std::sort(sorted.begin(), sorted.end());
  const auto seen = static_cast<std::size_t>(static_cast<double>(sorted.size()) * (1 - ratio));
  for (const double each : encoded.targets)
    covered.push_back(seen < sorted.size() && each >= sorted[seen]);
  return covered;
}

/// Of [3, height, width] in 0 to 1.
Image image_of(const Tensor& colours) {
  const Tensor bytes = colours.mul(255).round().clamp(0, 255).to(torch::kUInt8);
  const Tensor laid = bytes.permute({1, 2, 0}).contiguous();
  Image image;
  image.height = static_cast<int>(laid.size(0)), image.width = static_cast<int>(laid.size(1));
  const auto* first = laid.const_data_ptr<std::uint8_t>();
  image.rgb.assign(first, first + laid.numel());
  return image;
}

/// What the model saw and what it says was covered, in the picture's own colours. Where it says
/// each patch's pixels by their own mean and deviation, those are the picture's.
Status show_rebuilt(Policy& policy, Objective& objective, const Batch& made, LookRow& row) {
  const NamedTensors shown = objective.shown(policy, made);
  const auto named = [&](const char* name) {
    for (const auto& [key, tensor] : shown)
      if (key == name) return tensor.to(torch::kFloat32);
    TORCH_CHECK(false, "the objective shows no ", name);
  };
  const Tensor pixels = named("pixel_values")[0], covered = named("mask")[0];
  const std::int64_t height = pixels.size(1), width = pixels.size(2), patches = covered.size(0);
  const auto side = static_cast<std::int64_t>(
      std::lround(std::sqrt(static_cast<double>(height * width / patches))));
  const std::int64_t rows = height / side, columns = width / side;
  const Tensor own = pixels.reshape({3, rows, side, columns, side})
                         .permute({1, 3, 2, 4, 0})
                         .reshape({patches, side * side * 3});
  LUTHIER_TRY(const bool by_patch,
              json_bool(policy.base().config, "norm_pix_loss",
                        (policy.base().folder / "config.json").string(), false));
  Tensor said = named("logits")[0];
  if (by_patch) said = said * (own.var(-1, true, true) + 1e-6).sqrt() + own.mean(-1, true);
  LUTHIER_TRY(const PictureColours colours,
              picture_colours(*policy.base().processor->image_processor()));
  const Tensor mean = along_colours(colours.mean), deviation = along_colours(colours.deviation);
  const auto laid = [&](const Tensor& values) -> Tensor {
    return values.reshape({rows, columns, side, side, 3})
                   .permute({4, 0, 2, 1, 3})
                   .reshape({3, height, width}) *
               deviation +
           mean;
  };
  const Tensor where = covered.to(torch::kBool).unsqueeze(-1);
  row.rebuilt = image_of(laid(torch::where(where, said, own)));
  const Tensor grey = ((torch::full({3, 1, 1}, 0.6) - mean) / deviation).flatten();
  row.seen = image_of(laid(torch::where(where, grey.repeat({side * side}), own)));
  return {};
}

/// A picture that stands alone: its patches are the row, and all see those that are not covered.
Result<LookRow> look_at_picture(Policy& policy, Objective& objective, const EncodedRow& encoded,
                                const Batch& made, bool asks) {
  const LoadedModel& base = policy.base();
  LookRow row;
  row.tokens = patches_of(base.model->geometry());
  LUTHIER_TRY(const std::vector<bool> covered, covered_patches(base, encoded));
  const std::size_t size = row.size(), leads = size - covered.size();
  row.sees.assign(size * size, true);
  for (std::size_t j = 0; j < covered.size(); ++j) {
    if (!covered[j]) continue;
    row.tokens[leads + j].noised = row.tokens[leads + j].learned = true;
    for (std::size_t i = 0; i < size; ++i) row.sees[i * size + leads + j] = false;
  }
  if (Classifier* classifier = base.model->classifier())
    show_classes(*classifier, encoded, made.input, asks, row);
  if (asks && !covered.empty()) LUTHIER_CHECK(show_rebuilt(policy, objective, made, row));
  return row;
}

void ask(Model& model, const ModelInput& input, const Tokenizer& tokenizer, LookRow& row) {
  if (!model.output_head()) return;
  const Tensor states = predicting(model, input);
  if (states.size(0) == 0) return;
  const auto [sure, likeliest] =
      torch::softmax(model.output_head()->forward(states).to(torch::kFloat32), -1).max(-1);
  std::int64_t next = 0;
  for (LookToken& token : row.tokens) {
    if (!token.learned || next == likeliest.size(0)) continue;
    token.guess = shown_piece(tokenizer, likeliest[next].item<std::int64_t>());
    token.sureness = sure[next++].item<double>();
  }
}

}  // namespace

Result<LookRow> look_at_row(Policy& policy, Objective& objective, const MicroBatch& written,
                            const MicroBatch& batch, std::size_t number, bool asks) {
  const LoadedModel& base = policy.base();
  const ChatProcessor& processor = *base.processor;
  Model& model = policy.model();
  const MicroBatch one = alone(batch, number);
  const Batch made = policy.batch(one, objective.row_kind().order(), BatchMaker::Pass::Evaluation);
  if (processor.row_form() == RowForm::PictureAlone)
    return look_at_picture(policy, objective, one.encoded.front(), made, asks);
  const Tokenizer& tokenizer = processor.tokenizer();
  const Example &example = one.encoded.front().sequences.front(),
                &before = written.encoded[number].sequences.front();
  const bool two_texts = model.sequence_to_sequence() != nullptr,
             segments = dynamic_cast<const Segmenter*>(&model) != nullptr,
             towers = segments || model.two_towers();
  const std::unordered_set<TokenId> own(before.input_ids.begin(), before.input_ids.end());
  LookRow row;
  const auto token_of = [&](TokenId id) {
    LookToken token;
    token.piece = shown_piece(tokenizer, id);
    token.special = tokenizer.is_special(id);
    token.picture = processor.shows(id);
    return token;
  };
  for (const TokenId id : example.source_ids) {
    row.read.push_back(token_of(id));
    row.read.back().noised = !own.contains(id) && id != tokenizer.special().eos.value_or(-1);
  }
  // Where a picture is all that is read, tokens that say nothing stand in its states' places.
  const bool pictures_alone =
      std::all_of(row.read.begin(), row.read.end(),
                  [](const LookToken& token) { return token.picture || token.special; });
  const bool across = two_texts && model.picture_tower() && pictures_alone;
  if (towers || across) row.read = patches_of(model.geometry());
  Classifier* classifier = model.classifier();
  const bool in_place = before.input_ids.size() == example.input_ids.size() && !two_texts;
  for (std::size_t i = 0; i < example.input_ids.size(); ++i) {
    LookToken token = token_of(example.input_ids[i]);
    token.noised = in_place && before.input_ids[i] != example.input_ids[i];
    const bool first = i == 0 && model.causal();  // nothing stands before it
    token.learned = !towers && !first && example.labels[i] != kIgnoreLabel;
    if (token.learned && !classifier) token.label = shown_piece(tokenizer, example.labels[i]);
    row.tokens.push_back(std::move(token));
  }
  const ModelInput& input = made.input;
  if (across)
    write_across(row);
  else if (towers)
    write_apart(segments || std::string_view(base.family->model_type) == "clip", row);
  else if (Causal* causal = model.causal())
    measure_causal(*causal, input, row);
  else if (SequenceToSequence* both = model.sequence_to_sequence())
    measure_two_texts(*both, input, tokenizer, row);
  // encoder() is one that says what was covered; one with a head of classes has states as well.
  else if (auto* encoder = dynamic_cast<Encoder*>(&model))
    measure_encoder(*encoder, input, tokenizer, row);
  else
    row.sees.assign(row.size() * row.size(), false);
  if (classifier)
    show_classes(*classifier, one.encoded.front(), input, asks, row);
  else if (asks && !towers)
    ask(model, input, tokenizer, row);
  return row;
}

std::vector<double> likeness_of(Policy& policy, const Objective& objective,
                                const MicroBatch& batch) {
  const Batch made =
      policy.batch(batch, objective.row_kind().order(), BatchMaker::Pass::Evaluation);
  const Tensor likeness = text_likeness(*policy.model().two_towers(), made.input)
                              .to(torch::kCPU, torch::kFloat64)
                              .contiguous();
  const double* values = likeness.data_ptr<double>();
  return std::vector<double>(values, values + likeness.numel());
}

}  // namespace luthier
