// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_arguments.h"

#include <algorithm>
#include <array>

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::array kTensors{"input_ids",
                              "attention_mask",
                              "token_type_ids",
                              "pixel_values",
                              "pixel_attention_mask",
                              "labels",
                              "decoder_input_ids",
                              "decoder_attention_mask",
                              "next_sentence_label",
                              "sentence_order_label",
                              "noise",
                              "image_grid_thw",
                              "image_sizes",
                              "mm_token_type_ids",
                              "visual_embeds",
                              "visual_attention_mask",
                              "visual_token_type_ids",
                              "sentence_image_labels",
                              "visual_feats",
                              "visual_pos",
                              "matched_label",
                              "ans"};
constexpr std::array kOptions{"return_loss", "use_itm_head"};

template <std::size_t Count>
std::string listed(const std::array<const char*, Count>& names) {
  std::string text;
  for (const char* name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

}  // namespace

Tensor FilledUp::put_back(const Tensor& tokens) const {
  std::vector<std::int64_t> shape{ids.size(0), ids.size(1)};
  for (std::int64_t i = 1; i < tokens.dim(); ++i) shape.push_back(tokens.size(i));
  return torch::zeros(shape, tokens.options()).index_put({own.to(tokens.device())}, tokens);
}

Status GivenArguments::check_names() const {
  for (const auto& [name, tensor] : given_.tensors)
    if (std::find(kTensors.begin(), kTensors.end(), name) == kTensors.end())
      return input_error("No class is given " + name + " here.", given_.where,
                         "What is taken: " + listed(kTensors) + ".");
  for (const auto& [name, value] : given_.options)
    if (std::find(kOptions.begin(), kOptions.end(), name) == kOptions.end())
      return input_error("No class is given the option " + name + " here.", "--option",
                         "What is taken: " + listed(kOptions) + ".");
  return {};
}

const Tensor* GivenArguments::find(const char* name) const {
  const auto found = given_.tensors.find(name);
  return found == given_.tensors.end() ? nullptr : &found->second;
}

Result<Tensor> GivenArguments::wanted(const char* name) const {
  if (const Tensor* found = find(name)) return *found;
  return input_error("The model reads " + std::string(name) + ", and it is not given.",
                     given_.where, "Add it to the file.");
}

bool GivenArguments::asks(const char* option, bool unless_given) const {
  const auto found = given_.options.find(option);
  if (found == given_.options.end()) return unless_given;
  return found->second == "true" || found->second == "1";
}

Error GivenArguments::shape_error(const std::string& name, const std::string& wanted) const {
  return input_error(name + " has another shape than " + wanted + ".", given_.where,
                     "Give it as the class takes it.");
}

Result<FilledUp> GivenArguments::text_rows() const {
  constexpr const char *ids = "input_ids", *mask = "attention_mask";
  LUTHIER_TRY(const Tensor given, wanted(ids));
  if (given.dim() != 2 || given.numel() == 0) return shape_error(ids, "[rows, length]");
  FilledUp rows{given.to(torch::kInt64), torch::ones_like(given, torch::kBool), {}};
  if (const Tensor* own = find(mask)) {
    if (own->sizes() != given.sizes()) return shape_error(mask, std::string(ids) + "'s");
    rows.own = own->to(torch::kBool);
  }
  const Tensor counts = rows.own.sum(1).contiguous();
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    const auto count = counts[row].item<std::int64_t>();
    const Tensor places = rows.own[row].nonzero().squeeze(1);
    if (count == 0 ||
        places[count - 1].item<std::int64_t>() - places[0].item<std::int64_t>() + 1 != count)
      return input_error("Row " + std::to_string(row) + " of " + mask +
                             " has no tokens, or some with gaps between.",
                         given_.where, "A row's tokens stand beside one another.");
    rows.lengths.push_back(count);
  }
  return rows;
}

void GivenArguments::put_rows(const FilledUp& rows, ModelInput& input) const {
  input.input_ids = rows.taken(rows.ids);
  input.lengths = rows.lengths;
  input.prompt_lengths.assign(rows.lengths.size(), 0);
}

Status GivenArguments::put_types(const FilledUp& rows, ModelInput& input) const {
  const Tensor* types = find("token_type_ids");
  if (!types) return {};
  if (types->sizes() != rows.ids.sizes()) return shape_error("token_type_ids", "input_ids'");
  input.token_types = rows.taken(types->to(torch::kInt64));
  return {};
}

Status GivenArguments::put_labels(const FilledUp& rows, ModelInput& input) const {
  const Tensor* labels = find("labels");
  if (!labels) return {};
  if (labels->sizes() != rows.ids.sizes()) return shape_error("labels", "input_ids'");
  input.labels = rows.taken(labels->to(torch::kInt64));
  return {};
}

Status GivenArguments::put_grids(const Tensor& grids, ModelInput& input) const {
  if (grids.dim() != 2 || grids.size(1) != 3) return shape_error("image_grid_thw", "[pictures, 3]");
  const Tensor whole = grids.to(torch::kInt64).contiguous();
  std::int64_t all = 0;
  for (std::int64_t i = 0; i < whole.size(0); ++i) {
    const std::int64_t* grid = whole.const_data_ptr<std::int64_t>() + 3 * i;
    input.pictures.push_back({grid[0] * grid[1] * grid[2], {grid[0], grid[1], grid[2]}});
    all += input.pictures.back().rows;
  }
  if (input.pixel_values.dim() != 2 || input.pixel_values.size(0) != all)
    return shape_error("pixel_values", "the patches that image_grid_thw counts");
  return {};
}

Status GivenArguments::put_tiles(const Tensor& sizes, ModelInput& input) const {
  std::vector<Tensor> kept;
  for (std::int64_t i = 0; i < sizes.size(0); ++i) {
    const Tensor tiles = input.pixel_values[i];
    const Tensor there = tiles.flatten(1).ne(0).any(1).nonzero();
    const std::int64_t count = there.numel() > 0 ? there.max().item<std::int64_t>() + 1 : 1;
    kept.push_back(tiles.slice(0, 0, count));
    const std::int64_t* size = sizes.const_data_ptr<std::int64_t>() + 2 * i;
    input.pictures.push_back({count, {size[0], size[1]}});
  }
  input.pixel_values = at::cat(kept);
  return {};
}

Status GivenArguments::put_patches(const Tensor& sizes, ModelInput& input) const {
  const std::int64_t side = pictures_.patch;
  std::vector<Tensor> patches;
  for (std::int64_t i = 0; i < sizes.size(0); ++i) {
    const std::int64_t* size = sizes.const_data_ptr<std::int64_t>() + 2 * i;
    const std::int64_t rows = size[0] / side, columns = size[1] / side;
    if (rows < 1 || columns < 1 || size[0] > input.pixel_values.size(2) ||
        size[1] > input.pixel_values.size(3))
      return shape_error("pixel_values", "the sizes that image_sizes names");
    patches.push_back(input.pixel_values[i]
                          .slice(1, 0, rows * side)
                          .slice(2, 0, columns * side)
                          .reshape({3, rows, side, columns, side})
                          .permute({1, 3, 0, 2, 4})
                          .reshape({rows * columns, 3 * side * side}));
    input.pictures.push_back({rows * columns, {1, rows, columns}});
  }
  input.pixel_values = at::cat(patches);
  return {};
}

Status GivenArguments::put_pictures(ModelInput& input) const {
  const Tensor* pixels = find("pixel_values");
  if (!pixels) return {};
  if (const Tensor* seen = find("pixel_attention_mask");
      seen && !seen->to(torch::kBool).all().item<bool>())
    return input_error("Pictures are taken whole here.", given_.where + ": pixel_attention_mask",
                       "Give pictures without an edge that only fills them up.");
  input.pixel_values = pixels->to(torch::kFloat32);
  if (const Tensor* grids = find("image_grid_thw")) return put_grids(*grids, input);
  if (const Tensor* sizes = find("image_sizes")) {
    if (sizes->dim() != 2 || sizes->size(1) != 2 || sizes->size(0) != pixels->size(0))
      return shape_error("image_sizes", "[pictures, 2]");
    const Tensor whole = sizes->to(torch::kInt64).contiguous();
    if (pixels->dim() == 5) return put_tiles(whole, input);
    if (pixels->dim() == 4 && pictures_.patch > 0) return put_patches(whole, input);
  }
  if (pixels->dim() == 5 && pictures_.tiles_in_rows) {
    // [rows, tiles, 3, height, width]: tiles that are black all over only fill a row up.
    const Tensor tiles = input.pixel_values.flatten(0, 1);
    input.pixel_values = tiles.index_select(0, tiles.flatten(1).ne(0).any(1).nonzero().squeeze(1));
  } else if (pixels->dim() != 4) {
    return shape_error("pixel_values", "[pictures, 3, height, width]");
  }
  input.pictures.assign(static_cast<std::size_t>(input.pixel_values.size(0)), PictureFacts{1, {}});
  return {};
}

Status GivenArguments::put_own_pictures(const FilledUp& rows, ModelInput& input) const {
  LUTHIER_CHECK(wanted("pixel_values"));
  LUTHIER_CHECK(put_pictures(input));
  if (std::ssize(input.pictures) == rows.rows()) return {};
  return shape_error("pixel_values", "one picture a row");
}

void GivenArguments::put_picture_rows(ModelInput& input) const {
  const auto count = static_cast<std::int64_t>(input.pictures.size());
  input.input_ids = torch::full({count}, kPictureRow, torch::kInt64);
  input.lengths.assign(input.pictures.size(), 1);
  input.prompt_lengths.assign(input.pictures.size(), 0);
}

}  // namespace luthier
