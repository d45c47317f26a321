// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/chameleon/code_tower.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::int64_t kCodeGroups = 32;
constexpr double kCodeEpsilon = 1e-6;

/// Holds parts under their names, and does nothing else.
class CodeHolder : public torch::nn::Module {};

class GroupNormed : public ParameterModule {
 public:
  GroupNormed(std::int64_t channels, const torch::TensorOptions& t) {
    add_parameter("weight", weight_, {channels}, t);
    add_parameter("bias", bias_, {channels}, t);
  }
  Tensor forward(const Tensor& x) const {
    return at::group_norm(x, kCodeGroups, weight_, bias_, kCodeEpsilon);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator&) const override {
    return name == "weight" ? torch::ones(weight_.sizes(), torch::kFloat32) : Tensor();
  }

 private:
  Tensor weight_, bias_;
};

Tensor swished(const Tensor& x) { return x * at::sigmoid(x); }

}  // namespace

class CodeTower::Conv : public ParameterModule {
 public:
  /// Zeros stand around a square of three; `stride` 2: one more right and below, and none
  /// elsewhere.
  Conv(std::int64_t in, std::int64_t out, std::int64_t side, const torch::TensorOptions& t,
       std::int64_t stride = 1)
      : stride_(stride) {
    add_parameter("weight", weight, {out, in, side, side}, t);
    add_parameter("bias", bias_, {out}, t);
  }
  Tensor forward(const Tensor& x) const {
    const std::int64_t around = stride_ == 2 ? 0 : weight.size(-1) / 2;
    const Tensor padded = stride_ == 2 ? at::constant_pad_nd(x, {0, 1, 0, 1}) : x;
    return at::conv2d(padded, weight, bias_, stride_, around);
  }
  std::string type_name() const override { return "SquareConv2d"; }
  Tensor weight;

 private:
  std::int64_t stride_;
  Tensor bias_;
};

class CodeTower::Encoder : public torch::nn::Module {
  class Residual : public torch::nn::Module {
   public:
    Residual(std::int64_t in, std::int64_t out, const torch::TensorOptions& t) {
      norm1_ = register_module("norm1", std::make_shared<GroupNormed>(in, t));
      conv1_ = register_module("conv1", std::make_shared<Conv>(in, out, 3, t));
      norm2_ = register_module("norm2", std::make_shared<GroupNormed>(out, t));
      conv2_ = register_module("conv2", std::make_shared<Conv>(out, out, 3, t));
      if (in != out)
        nin_shortcut_ = register_module("nin_shortcut", std::make_shared<Conv>(in, out, 1, t));
    }
    Tensor forward(const Tensor& x) const {
      const Tensor inner = conv1_->forward(swished(norm1_->forward(x)));
      const Tensor made = conv2_->forward(swished(norm2_->forward(inner)));
      return (nin_shortcut_ ? nin_shortcut_->forward(x) : x) + made;
    }

   private:
    std::shared_ptr<GroupNormed> norm1_, norm2_;
    std::shared_ptr<Conv> conv1_, conv2_, nin_shortcut_;
  };

  class Attention : public torch::nn::Module {
   public:
    Attention(std::int64_t channels, const torch::TensorOptions& t) {
      norm_ = register_module("norm", std::make_shared<GroupNormed>(channels, t));
      const auto conv = [&](const char* name) {
        return register_module(name, std::make_shared<Conv>(channels, channels, 1, t));
      };
      q_ = conv("q"), k_ = conv("k"), v_ = conv("v"), proj_out_ = conv("proj_out");
    }
    Tensor forward(const Tensor& x) const {
      const Tensor normal = norm_->forward(x);
      const auto places = [](const Tensor& y) { return y.flatten(2); };  // [1, channels, places]
      const Tensor query = places(q_->forward(normal)).transpose(1, 2);
      const double scale = 1 / std::sqrt(static_cast<double>(x.size(1)));
      const Tensor shares =
          at::softmax(at::bmm(query, places(k_->forward(normal))) * scale, /*dim=*/2);
      const Tensor mixed = at::bmm(places(v_->forward(normal)), shares.transpose(1, 2));
      return x + proj_out_->forward(mixed.view(x.sizes()));
    }

   private:
    std::shared_ptr<GroupNormed> norm_;
    std::shared_ptr<Conv> q_, k_, v_, proj_out_;
  };

  struct Level {
    std::vector<std::shared_ptr<Residual>> blocks;
    std::vector<std::shared_ptr<Attention>> attentions;  ///< one a block, or none
    std::shared_ptr<Conv> downsample;
  };

 public:
  Encoder(const CodeTowerOptions& o, const torch::TensorOptions& t) {
    conv_in = register_module("conv_in", std::make_shared<Conv>(3, o.base_channels, 3, t));
    std::int64_t channels = o.base_channels, resolution = o.resolution;
    torch::nn::ModuleList down;
    for (std::size_t i = 0; i < o.multipliers.size(); ++i) {
      Level level;
      const std::int64_t out = o.base_channels * o.multipliers[i];
      const bool attends = o.attends && std::find(o.attended.begin(), o.attended.end(),
                                                  resolution) != o.attended.end();
      torch::nn::ModuleList blocks, attentions;
      for (std::int64_t block = 0; block < o.blocks; ++block) {
        level.blocks.push_back(std::make_shared<Residual>(channels, out, t));
        blocks->push_back(level.blocks.back());
        channels = out;
        if (!attends) continue;
        level.attentions.push_back(std::make_shared<Attention>(channels, t));
        attentions->push_back(level.attentions.back());
      }
      const auto holder = std::make_shared<CodeHolder>();
      holder->register_module("block", blocks);
      holder->register_module("attn", attentions);
      if (i + 1 < o.multipliers.size()) {
        const auto under = holder->register_module("downsample", std::make_shared<CodeHolder>());
        level.downsample =
            under->register_module("conv", std::make_shared<Conv>(channels, channels, 3, t, 2));
        resolution /= 2;
      }
      down->push_back(holder);
      levels_.push_back(std::move(level));
    }
    register_module("down", down);
    const auto mid = register_module("mid", std::make_shared<CodeHolder>());
    first_ = mid->register_module("block_1", std::make_shared<Residual>(channels, channels, t));
    if (o.attends)
      attention_ = mid->register_module("attn_1", std::make_shared<Attention>(channels, t));
    second_ = mid->register_module("block_2", std::make_shared<Residual>(channels, channels, t));
    norm_out_ = register_module("norm_out", std::make_shared<GroupNormed>(channels, t));
    conv_out_ = register_module(
        "conv_out", std::make_shared<Conv>(channels, (o.double_latent ? 2 : 1) * o.latents, 3, t));
  }

  Tensor forward(const Tensor& pixels) const {
    Tensor x = conv_in->forward(pixels);
    for (const Level& level : levels_) {
      for (std::size_t i = 0; i < level.blocks.size(); ++i) {
        x = level.blocks[i]->forward(x);
        if (!level.attentions.empty()) x = level.attentions[i]->forward(x);
      }
      if (level.downsample) x = level.downsample->forward(x);
    }
    x = first_->forward(x);
    if (attention_) x = attention_->forward(x);
    return conv_out_->forward(swished(norm_out_->forward(second_->forward(x))));
  }

  std::shared_ptr<Conv> conv_in;

 private:
  std::vector<Level> levels_;
  std::shared_ptr<Residual> first_, second_;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<GroupNormed> norm_out_;
  std::shared_ptr<Conv> conv_out_;
};

CodeTower::CodeTower(const CodeTowerOptions& o, const torch::TensorOptions& t) : options_(o) {
  encoder_ = register_module("encoder", std::make_shared<Encoder>(o, t));
  const auto quantize = register_module("quantize", std::make_shared<CodeHolder>());
  table_ = quantize->register_module("embedding", Embedding(o.codes, o.width, t));
  quant_conv_ = register_module("quant_conv", std::make_shared<Conv>(o.latents, o.width, 1, t));
  post_quant_conv_ =
      register_module("post_quant_conv", std::make_shared<Conv>(o.width, o.latents, 1, t));
}

torch::ScalarType CodeTower::dtype() const { return encoder_->conv_in->weight.scalar_type(); }

Tensor CodeTower::forward(const Tensor& pixels) {
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(1) == 3 && pixels.size(2) == options_.resolution &&
                  pixels.size(3) == options_.resolution,
              "the picture's size does not fit the tower");
  const torch::NoGradGuard no_grad;
  const Tensor& table = table_->weight;
  const Tensor lengths = (table * table).sum(1);
  std::vector<Tensor> codes;  // picture by picture: the first levels' states are large
  for (const Tensor& picture : pixels.split(1)) {
    const Tensor made = quant_conv_->forward(encoder_->forward(picture.to(table.scalar_type())));
    const Tensor places = made.permute({0, 2, 3, 1}).reshape({-1, options_.width});
    codes.push_back(
        ((places * places).sum(1, true) + lengths - 2 * at::matmul(places, table.t())).argmin(1));
  }
  return at::cat(codes);
}

Result<CodeTowerOptions> read_code_tower(const Json& config, const std::string& where) {
  CodeTowerOptions o;
  LUTHIER_CHECK(read_in_range(config, "embed_dim", where, 1, 1 << 16, o.width));
  LUTHIER_CHECK(read_in_range(config, "num_embeddings", where, 1, 1 << 22, o.codes));
  LUTHIER_CHECK(read_in_range(config, "latent_channels", where, 1, 1 << 16, o.latents));
  LUTHIER_TRY(o.double_latent, json_bool(config, "double_latent", where, false));
  if (o.double_latent)
    return input_error("transformers has no product for twice as many channels.",
                       where + ": double_latent", "It is false.");
  LUTHIER_CHECK(read_in_range(config, "resolution", where, 1, 1 << 14, o.resolution));
  std::int64_t channels = 3;
  LUTHIER_CHECK(read_in_range(config, "in_channels", where, 3, 3, channels));
  LUTHIER_CHECK(
      read_in_range(config, "base_channels", where, kCodeGroups, 1 << 14, o.base_channels));
  LUTHIER_CHECK(read_in_range(config, "num_res_blocks", where, 1, 64, o.blocks));
  const auto numbers = [&](const char* key, std::vector<std::int64_t>& into) -> Status {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return {};
    const bool list = found->is_array() && found->size() <= 16 &&
                      std::all_of(found->begin(), found->end(), [](const Json& each) {
                        return each.is_number_integer() && each.get<std::int64_t>() >= 1 &&
                               each.get<std::int64_t>() <= (1 << 14);
                      });
    if (!list) return input_error("A list of numbers from 1 on is expected.", where + ": " + key);
    into.clear();
    for (const Json& each : *found) into.push_back(each.get<std::int64_t>());
    return {};
  };
  LUTHIER_CHECK(numbers("channel_multiplier", o.multipliers));
  LUTHIER_CHECK(numbers("attn_resolutions", o.attended));
  const auto levels = static_cast<std::int64_t>(o.multipliers.size());
  if (levels < 1 || o.resolution % (std::int64_t{1} << (levels - 1)) != 0)
    return input_error("A picture of " + std::to_string(o.resolution) +
                           " pixels a side cannot be halved from level to level.",
                       where + ": channel_multiplier");
  if (o.base_channels % kCodeGroups != 0)
    return input_error("The channels must divide into 32 groups.", where + ": base_channels");
  for (const std::int64_t factor : o.multipliers)
    if (o.base_channels * factor > (1 << 16))
      return input_error("There are too many channels.", where + ": channel_multiplier");
  const auto kind = config.find("attn_type");
  if (kind != config.end()) {  // null: there is no attention
    o.attends = kind->is_string() && kind->get<std::string>() == "vanilla";
    if (!o.attends && kind->is_string() && kind->get<std::string>() != "None")
      return input_error("This kind of attention is not built.", where + ": attn_type",
                         "It is vanilla or null.");
  }
  LUTHIER_TRY(const double dropout, json_number(config, "dropout", where, 0.0));
  if (dropout != 0)
    return input_error("Dropout within layers is not built here: 0 is expected.",
                       where + ": dropout");
  return o;
}

}  // namespace luthier
