// SPDX-License-Identifier: GPL-3.0-or-later
// Classes whose head stands beside the family's model (models/head_of_class.h).
#include "engine/models/head_of_class.h"

#include "engine/models/class_calls/call.h"
#include "engine/models/load_without_processor.h"
#include "engine/models/vit/picture_transformer.h"

namespace luthier::class_calls {

using torch::Tensor;

namespace {

/// States of a row's tokens, whichever way the model reads: [tokens, hidden].
Result<Tensor> read_text(ClassCall& call, const FilledUp& rows) {
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.put_pictures(input));
  Encoder* const encoder = call.model.encoder();
  if (encoder) LUTHIER_CHECK(call.given.put_types(rows, input));
  const ModelInput there = call.ready(std::move(input));
  if (encoder) return encoder->encode(there);
  Causal* const causal = call.model.causal();
  return causal->decode(causal->embed(there), nullptr);
}

/// Of each row, which of all tokens says what the row is: the last that is not padding.
Tensor last_words(const ClassCall& call, const FilledUp& rows) {
  const TokenId padding = padding_by_config(call.loaded.config);
  std::vector<std::int64_t> places;
  std::int64_t start = 0;
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    const std::int64_t length = rows.lengths[static_cast<std::size_t>(row)];
    const Tensor words = rows.ids[row].index({rows.own[row]}).ne(padding).nonzero().squeeze(1);
    places.push_back(start + (words.numel() > 0 ? words.max().item<std::int64_t>() : length - 1));
    start += length;
  }
  return torch::tensor(places, torch::kInt64);
}

}  // namespace

Status score(ClassCall& call, const HeadOfClass& head) {
  const std::string where = (call.loaded.folder / "config.json").string();
  LUTHIER_TRY(const auto classes, read_class_options(call.loaded.config, where));
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  LUTHIER_TRY(Tensor states, read_text(call, rows));
  const bool tokens = classes->of == ClassOptions::Of::Token;
  if (!tokens) states = states.index_select(0, last_words(call, rows).to(states.device()));
  const Tensor logits = head.forward(states);
  call.add("logits", tokens ? rows.put_back(logits) : logits);
  return call.add_class_loss(*classes, logits, &rows);
}

Status find_answer(ClassCall& call, const HeadOfClass& head) {
  if (head.numbers() != 2)
    return input_error("Where an answer begins and ends is told by two numbers a token.",
                       call.loaded.folder.string(), "Other heads are not built here.");
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  LUTHIER_TRY(const Tensor states, read_text(call, rows));
  const Tensor both = head.forward(states);
  Tensor loss;
  for (const std::int64_t end : {0, 1}) {
    const char *const output = end == 0 ? "start_logits" : "end_logits", *const given =
                                                                             end == 0
                                                                                 ? "start_positions"
                                                                                 : "end_positions";
    const Tensor said = rows.put_back(both.select(1, end));
    call.add(output, said);
    const Tensor* places = call.given.find(given);
    if (!places) continue;
    if (places->numel() != rows.rows()) return call.given.shape_error(given, "[rows]");
    if (!rows.own.all().item<bool>())
      return input_error(
          "What stands in places that only fill a row up is nobody's here, and "
          "transformers' loss is over them, too.",
          call.given.where() + ": " + given, "Give rows of one length.");
    // A place behind the row is passed over.
    const std::int64_t length = rows.ids.size(1);
    const Tensor goals = places->reshape({-1}).to(torch::kInt64).clamp(0, length);
    const Tensor each =
        at::cross_entropy_loss(said, goals.to(said.device()), {}, at::Reduction::Mean, length);
    loss = loss.defined() ? (loss + each) / 2 : each;
  }
  if (call.given.find("start_positions") && call.given.find("end_positions")) call.out.loss = loss;
  return {};
}

Status uncover(ClassCall& call, PictureTransformer& body, const HeadOfClass& head) {
  constexpr const char* kCovered = "bool_masked_pos";
  LUTHIER_CHECK(call.given.wanted("pixel_values"));
  ModelInput input;
  LUTHIER_CHECK(call.put_pictures(input));
  const Tensor pixels = input.pixel_values.to(call.model.device());
  const std::int64_t side = body.options.patch_size, pictures = pixels.size(0);
  Tensor covered;
  if (const Tensor* given = call.given.find(kCovered)) {
    if (given->dim() != 2 || given->size(0) != pictures || given->size(1) != body.options.patches())
      return call.given.shape_error(kCovered, "[pictures, patches]");
    covered = given->to(pixels.device(), torch::kBool);
  }
  const std::int64_t stride = call.loaded.config.value("encoder_stride", side);
  if (stride != side || head.numbers() != 3 * stride * stride)
    return input_error("A patch's pixels are " + std::to_string(3 * side * side) +
                           " numbers, and the head makes others.",
                       (call.loaded.folder / "config.json").string() + ": encoder_stride",
                       "It must be patch_size.");
  const std::int64_t rows = pixels.size(2) / side, columns = pixels.size(3) / side;
  const Tensor made = head.forward(body.states(pixels, covered).slice(1, 1))
                          .view({pictures, rows, columns, 3, side, side})
                          .permute({0, 3, 1, 4, 2, 5})
                          .reshape({pictures, 3, rows * side, columns * side});
  call.add("reconstruction", made);
  if (!covered.defined()) return {};
  const Tensor beneath = covered.view({pictures, 1, rows, columns})
                             .repeat_interleave(side, 2)
                             .repeat_interleave(side, 3)
                             .to(torch::kFloat32);
  call.out.loss = ((made - pixels).abs() * beneath).sum() / (beneath.sum() + 1e-5) / 3;
  return {};
}

}  // namespace luthier::class_calls
