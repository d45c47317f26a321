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
                              "pixel_values_videos",
                              "video_grid_thw",
                              "second_per_grid_ts",
                              "image_sizes",
                              "batch_num_images",
                              "image_attention_mask",
                              "image_pixel_values",
                              "image_patches",
                              "image_position_ids",
                              "target_sizes",
                              "spatial_shapes",
                              "pixel_values_local",
                              "num_local_patches",
                              "aspect_ratio_ids",
                              "aspect_ratio_mask",
                              "cross_attention_mask",
                              "qformer_input_ids",
                              "qformer_attention_mask",
                              "mm_token_type_ids",
                              "visual_embeds",
                              "visual_attention_mask",
                              "visual_token_type_ids",
                              "sentence_image_labels",
                              "visual_feats",
                              "visual_pos",
                              "matched_label",
                              "ans",
                              "start_positions",
                              "end_positions",
                              "bool_masked_pos"};
constexpr std::array kOptions{"return_loss", "use_itm_head", "use_image_text_matching_head",
                              "interpolate_pos_encoding"};

template <std::size_t Count>
std::string listed(const std::array<const char*, Count>& names) {
  std::string text;
  for (const char* name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

/// Of a configuration that a model has been made of.
std::int64_t whole_number(const Json& section, const std::string& key, std::int64_t fallback) {
  const auto found = section.find(key);
  return found == section.end() || !found->is_number_integer() ? fallback
                                                               : found->get<std::int64_t>();
}

}  // namespace

TokenId token_of(const Json& config, const std::string& name) {
  return whole_number(config, name + "_id", whole_number(config, name + "_index", -1));
}

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

Result<FilledUp> GivenArguments::text_rows(const char* ids, const char* mask) const {
  LUTHIER_TRY(const Tensor given, wanted(ids));
  if (given.dim() != 2 || given.numel() == 0) return shape_error(ids, "[rows, length]");
  FilledUp rows{given.to(torch::kInt64), torch::ones_like(given, torch::kBool), {}};
  if (const Tensor* own = find(mask)) {
    if (own->sizes() != given.sizes()) return shape_error(mask, std::string(ids) + "'s");
    rows.own = own->to(torch::kBool);
  }
  if (rows.ids.masked_select(rows.own).lt(0).any().item<bool>())
    return input_error(std::string(ids) + " has a token below 0.", given_.where,
                       "Tokens are counted from 0.");
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

bool GivenArguments::has_pictures() const {
  for (const char* name :
       {"pixel_values", "image_pixel_values", "image_patches", "pixel_values_videos"})
    if (find(name)) return true;
  return false;
}

Result<std::vector<GivenMedium>> GivenArguments::media(const char* pixels_name,
                                                       const char* grids_name,
                                                       const Json& config) const {
  std::vector<GivenMedium> media;
  const Tensor* pixels = find(pixels_name);
  if (!pixels) return media;
  LUTHIER_TRY(const Tensor grids, wanted(grids_name));
  if (grids.dim() != 2 || grids.size(1) != 3) return shape_error(grids_name, "[pictures, 3]");
  const auto vision = config.find("vision_config");
  const std::int64_t merge =
      vision == config.end() ? 2 : whole_number(*vision, "spatial_merge_size", 2);
  const Tensor whole = grids.to(torch::kInt64).contiguous();
  std::int64_t all = 0;
  for (std::int64_t i = 0; i < whole.size(0); ++i) {
    const std::int64_t* grid = whole.const_data_ptr<std::int64_t>() + 3 * i;
    const std::int64_t rows = grid[0] * grid[1] * grid[2];
    const bool divides =
        grid[0] > 0 && grid[1] > 0 && grid[2] > 0 && grid[1] % merge == 0 && grid[2] % merge == 0;
    if (!divides || pixels->dim() != 2 || all + rows > pixels->size(0))
      return shape_error(pixels_name, "the patches that " + std::string(grids_name) + " counts");
    media.push_back({{rows, {grid[0], grid[1], grid[2]}},
                     pixels->slice(0, all, all + rows).to(torch::kFloat32),
                     rows / (merge * merge)});
    all += rows;
  }
  if (pixels->size(0) == all) return media;
  return shape_error(pixels_name, "the patches that " + std::string(grids_name) + " counts");
}

Status GivenArguments::put_media(const std::vector<GivenMedium>& pictures,
                                 const std::vector<GivenMedium>& films, const Json& config,
                                 ModelInput& input) const {
  std::vector<Tensor> pixels;
  const auto put = [&](const GivenMedium& medium) {
    input.pictures.push_back(medium.facts);
    pixels.push_back(medium.pixels);
  };
  if (films.empty() || pictures.empty()) {
    for (const GivenMedium& medium : films.empty() ? pictures : films) put(medium);
  } else {
    struct Kind {
      const std::vector<GivenMedium>& media;
      std::int64_t token;
      std::size_t next = 0;
      std::int64_t open = 0;  // places that are still to come of the one before `next`
    };
    std::array kinds{Kind{pictures, token_of(config, "image_token")},
                     Kind{films, token_of(config, "video_token")}};
    const Tensor ids = input.input_ids.contiguous();
    for (std::int64_t i = 0; i < ids.numel(); ++i)
      for (Kind& kind : kinds) {
        if (ids.const_data_ptr<std::int64_t>()[i] != kind.token) continue;
        if (kind.open == 0) {
          if (kind.next == kind.media.size())
            return shape_error("input_ids", "as many places as pictures and films have");
          kind.open = kind.media[kind.next].tokens;
          put(kind.media[kind.next++]);
        }
        --kind.open;
      }
    for (const Kind& kind : kinds)
      if (kind.open > 0 || kind.next < kind.media.size())
        return shape_error("input_ids", "as many places as pictures and films have");
  }
  if (!pixels.empty()) input.pixel_values = pixels.size() == 1 ? pixels.front() : at::cat(pixels);
  return {};
}

Status GivenArguments::put_frames(const Tensor& pixels, ModelInput& input) const {
  if (pixels.dim() != 4) return shape_error("pixel_values", "[pictures, 3, height, width]");
  input.pixel_values = pixels.to(torch::kFloat32);
  input.pictures.assign(static_cast<std::size_t>(pixels.size(0)), PictureFacts{1, {}});
  return {};
}

Status GivenArguments::check_whole(const Tensor& seen) const {
  if (seen.to(torch::kBool).all().item<bool>()) return {};
  return input_error("Pictures are taken whole here.", given_.where + ": pixel_attention_mask",
                     "Give pictures without an edge that only fills them up.");
}

Status GivenArguments::put_frames_or_patches(const Json& config, ModelInput& input) const {
  if (find("image_grid_thw") || find("video_grid_thw")) {
    LUTHIER_TRY(const auto pictures, media("pixel_values", "image_grid_thw", config));
    LUTHIER_TRY(auto films, media("pixel_values_videos", "video_grid_thw", config));
    const Tensor* seconds = find("second_per_grid_ts");
    if (seconds && seconds->numel() != std::ssize(films))
      return shape_error("second_per_grid_ts", "[films]");
    for (std::size_t i = 0; i < films.size(); ++i)
      films[i].facts.step_seconds =
          seconds ? seconds->flatten()[static_cast<std::int64_t>(i)].item<double>() : 1.0;
    return put_media(pictures, films, config, input);
  }
  LUTHIER_TRY(const Tensor pixels, wanted("pixel_values"));
  if (const Tensor* seen = find("pixel_attention_mask")) LUTHIER_CHECK(check_whole(*seen));
  return put_frames(pixels, input);
}

Result<Tensor> GivenArguments::image_sizes(std::int64_t pictures) const {
  LUTHIER_TRY(const Tensor sizes, wanted("image_sizes"));
  const Tensor whole = sizes.to(torch::kInt64).reshape({-1, sizes.size(-1)}).contiguous();
  if (whole.size(1) == 2 && whole.size(0) == pictures && whole.gt(0).all().item<bool>())
    return whole;
  return shape_error("image_sizes", "[pictures, 2]");
}

void GivenArguments::put_picture_rows(ModelInput& input) const {
  const auto count = static_cast<std::int64_t>(input.pictures.size());
  input.input_ids = torch::full({count}, kPictureRow, torch::kInt64);
  input.lengths.assign(input.pictures.size(), 1);
  input.prompt_lengths.assign(input.pictures.size(), 0);
}

}  // namespace luthier
