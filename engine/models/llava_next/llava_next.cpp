// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava_next/llava_next.h"

#include <cstdio>
#include <cstdlib>

#include "engine/models/llava/llava_model.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"

namespace luthier {

using detail::Extent;
using torch::Tensor;

namespace {

/// int(round(value, 7)) of Python, which rounds the decimal expansion.
std::int64_t whole_part(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.7f", value);
  return static_cast<std::int64_t>(std::strtod(text, nullptr));
}

/// How one picture's features lie.
struct Layout {
  std::int64_t base = 0;  ///< features of one frame: side × side
  std::int64_t side = 0, down = 0, across = 0;
  Unpadded kept;

  std::int64_t frames() const { return 1 + down * across; }
  std::int64_t tokens() const { return base + kept.features(); }
};

Layout layout(const LlavaNextOptions& o, const std::vector<std::int64_t>& height_width) {
  const Extent picture{height_width.at(1), height_width.at(0)};
  const Extent canvas = detail::best_resolution(o.pinpoints, picture);
  const std::int64_t size = o.llava.vision.image_height;
  Layout l;
  l.side = o.llava.vision.patch_rows();
  l.base = l.side * l.side;
  l.down = canvas.height / size, l.across = canvas.width / size;
  l.kept = unpad(picture, l.side * l.down, l.side * l.across);
  return l;
}

class LlavaNext : public LlavaModel {
 public:
  LlavaNext(const LlavaNextOptions& o, const torch::TensorOptions& t)
      : LlavaModel(o.llava, /*newline=*/true, t), options_(o) {}

  void prepare(ModelInput& input) const override {
    LlavaModel::prepare(input);
    if (!input.pictures.empty()) set_gathers_aside(input.pictures, input.aside);
  }

 protected:
  /// Only what is kept is projected; the order then puts lines' ends between.
  Tensor project(const Tensor& features, const ModelInput& input) override {
    NamedTensorMap made = input.aside;
    if (!made.contains(kKept)) set_gathers_aside(input.pictures, made);
    move_together({&made[kKept], &made[kOrder]}, features.device());
    const Tensor projected = LlavaModel::project(features.index_select(0, made[kKept]), input);
    return at::cat({projected, image_newline().unsqueeze(0)}).index_select(0, made[kOrder]);
  }

 private:
  static constexpr const char *kKept = "kept_features", *kOrder = "features_and_ends";

  /// [kept] and [tokens] int64: which of all frames' features are kept, and how these and the
  /// lines' end (which stands behind them) come in the text.
  void set_gathers_aside(const std::vector<PictureFacts>& pictures, NamedTensorMap& aside) const {
    std::vector<std::int64_t> kept, order;
    std::int64_t first = 0;  // feature of this picture
    const auto keep = [&](std::int64_t feature) {
      order.push_back(static_cast<std::int64_t>(kept.size()));
      kept.push_back(first + feature);
    };
    for (const PictureFacts& picture : pictures) {
      const Layout l = layout(options_, picture.grid);
      TORCH_CHECK(picture.rows == l.frames(), "a picture has ", picture.rows, " frames instead of ",
                  l.frames());
      for (std::int64_t i = 0; i < l.base; ++i) keep(i);
      for (std::int64_t row = l.kept.top; row < l.kept.top + l.kept.rows; ++row) {
        for (std::int64_t column = l.kept.left; column < l.kept.left + l.kept.columns; ++column) {
          const std::int64_t frame = 1 + row / l.side * l.across + column / l.side;
          keep(frame * l.base + row % l.side * l.side + column % l.side);
        }
        order.push_back(-1);
      }
      first += l.frames() * l.base;
    }
    for (std::int64_t& place : order) {
      if (place < 0) place = static_cast<std::int64_t>(kept.size());
    }
    aside[kKept] = torch::tensor(kept, torch::kInt64);
    aside[kOrder] = torch::tensor(order, torch::kInt64);
  }

  LlavaNextOptions options_;
};

ProcessorDefaults processor_defaults() { return {"LlavaNextImageProcessor"}; }

/// The count is the model's; LlavaNextProcessor comes to the same from patch_size, strategy and
/// additional tokens where those fit the model.
Result<ImageTokens> image_tokens(const LlavaNextOptions& options,
                                 const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaProcessorSettings settings,
              read_llava_processor_settings(folder, options.llava));
  LUTHIER_CHECK(frame_outline(folder, processor_defaults(), 2));
  LUTHIER_TRY(const auto pictures, detail::read_picture_settings(folder, processor_defaults()));
  std::vector<Extent> pinpoints = detail::usual_pinpoints();
  LUTHIER_CHECK(detail::read_pinpoints(pictures.config, pictures.where, pinpoints));
  if (pinpoints != options.pinpoints) {
    return input_error("The picture processor's image_grid_pinpoints are not those of config.json.",
                       pictures.where + ": image_grid_pinpoints",
                       "Processor and model must cut a picture alike: make the two lists equal.");
  }
  ImageTokens tokens;
  tokens.mark = settings.image_token;
  tokens.expand = [options, mark = settings.image_token](const PixelValues& pixels) {
    return repeated(mark, layout(options, pixels.grid).tokens());
  };
  return tokens;
}

/// [pictures, frames of the fullest, 3, height, width], zeros where a picture has fewer.
Tensor processor_layout(const ModelInput& input) {
  std::int64_t most = 0, first = 0;
  for (const PictureFacts& picture : input.pictures) most = std::max(most, picture.rows);
  std::vector<Tensor> pictures;
  for (const PictureFacts& picture : input.pictures) {
    pictures.push_back(at::constant_pad_nd(input.pixel_values.slice(0, first, first + picture.rows),
                                           {0, 0, 0, 0, 0, 0, 0, most - picture.rows}));
    first += picture.rows;
  }
  return at::stack(pictures);
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaNextOptions options,
              read_llava_next_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight head) {
    LlavaNextOptions chosen = options;
    if (head == HeadWeight::Own) chosen.llava.tie_word_embeddings = false;
    return std::make_shared<LlavaNext>(chosen, tensors);
  };
  plan.pictures =
      PicturePlan{options.llava.image_token_id, processor_defaults(),
                  [options](const auto& files) { return image_tokens(options, files); }};
  plan.initializer_range = options.llava.text.initializer_range;
  return plan;
}

}  // namespace

Unpadded unpad(Extent picture, std::int64_t rows, std::int64_t columns) {
  const auto height = static_cast<double>(picture.height),
             width = static_cast<double>(picture.width);
  const auto down = static_cast<double>(rows), across = static_cast<double>(columns);
  Unpadded u{rows, columns, 0, 0};
  if (width / height > across / down) {
    u.top = (rows - whole_part(height * (across / width))) / 2;
    u.rows -= 2 * u.top;
  } else {
    u.left = (columns - whole_part(width * (down / height))) / 2;
    u.columns -= 2 * u.left;
  }
  return u;
}

Result<LlavaNextOptions> read_llava_next_options(const Json& config, const std::string& where) {
  LlavaNextOptions o;
  LUTHIER_TRY(o.llava, read_llava_options(config, where));
  const VisionTowerOptions& v = o.llava.vision;
  if (v.image_height != v.image_width)
    return input_error("Tiles must be square.", where + ": vision_config: image_size");
  if (o.llava.drop_first_feature != v.class_embedding) {
    return input_error(
        v.class_embedding ? "\"full\" keeps the class token, which has no place among the tiles."
                          : "\"default\" leaves out a class token, which this tower does not have.",
        where + ": vision_feature_select_strategy",
        "CLIP towers go with default, SigLIP towers with full.");
  }
  o.pinpoints = detail::usual_pinpoints();
  LUTHIER_CHECK(detail::read_pinpoints(config, where, o.pinpoints));
  for (std::size_t i = 0; i < o.pinpoints.size(); ++i) {
    if (o.pinpoints[i].height % v.image_height == 0 && o.pinpoints[i].width % v.image_width == 0)
      continue;
    return input_error("The resolution [" + std::to_string(o.pinpoints[i].height) + ", " +
                           std::to_string(o.pinpoints[i].width) +
                           "] is not made of whole tiles of " + std::to_string(v.image_height) +
                           ".",
                       where + ": image_grid_pinpoints[" + std::to_string(i) + "]");
  }
  return o;
}

const Family llava_next_family{"llava_next",    true, read, llava_memory_name, llava_stored_name,
                               processor_layout};

}  // namespace luthier
