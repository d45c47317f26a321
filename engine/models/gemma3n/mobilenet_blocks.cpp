// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "engine/models/gemma3n/mobilenet_tower.h"

namespace luthier {

using torch::Tensor;

ChannelScale::ChannelScale(std::int64_t channels, const torch::TensorOptions& t) {
  add_parameter("gamma", gamma_, {channels}, t);
}

Tensor ChannelScale::first_value(const std::string&, const at::Generator&) const {
  return at::full(gamma_.sizes(), 1e-5, torch::kFloat32);
}

void ChannelScale::add_cost(MobileCosts& cost, std::int64_t places) const {
  const TrainedShare own = cost.terms.of(*this);
  cost.train(own);
  if (own.trains) cost.add(cost.terms.block(places * gamma_.size(0)));
}

MobileEdge::MobileEdge(const MobileBlock& b, const torch::TensorOptions& t) : block_(b) {
  conv_exp_ = register_module("conv_exp", std::make_shared<SquareConvolution>(
                                              b.in, b.wide, b.kernel, b.stride, false, false, t));
  bn1_ = register_module("bn1", mobile_norm(b.wide, t));
  conv_pwl_ = register_module("conv_pwl", std::make_shared<PlaceProduct>(b.wide, b.out, t));
  bn2_ = register_module("bn2", mobile_norm(b.out, t));
}

Tensor MobileEdge::forward(const Tensor& x) const {
  const Tensor wide = activate(bn1_->forward(conv_exp_->forward(x)), Activation::GeluTanh);
  const Tensor made = bn2_->forward(conv_pwl_->forward(wide));
  return block_.skips ? made + x : made;
}

void MobileEdge::add_cost(MobileCosts& cost, MobilePlaces& places) const {
  const std::int64_t before = places.count();
  places = places.halved(block_.stride);
  cost.add(*conv_exp_, before * block_.in, places.count() * block_.wide);
  cost.add(bn1_, places.count(), /*activated=*/true);
  cost.add(*conv_pwl_, places.count());
  cost.add(bn2_, places.count(), /*activated=*/false);
}

MobileBottleneck::MobileBottleneck(const MobileBlock& b, const torch::TensorOptions& t)
    : skips_(b.skips) {
  const auto add = [&](const char* name, std::int64_t in, std::int64_t out, std::int64_t kernel,
                       std::int64_t stride, bool apart, bool activates) {
    parts_.push_back(
        register_module(name, std::make_shared<NormedConvolution>(in, out, kernel, stride, apart,
                                                                  /*bias=*/false, activates, t)));
  };
  if (b.first > 0) add("dw_start", b.in, b.in, b.first, b.middle > 0 ? 1 : b.stride, true, false);
  add("pw_exp", b.in, b.wide, 1, 1, false, true);
  if (b.middle > 0) add("dw_mid", b.wide, b.wide, b.middle, b.stride, true, true);
  add("pw_proj", b.wide, b.out, 1, 1, false, false);
  const std::int64_t rest = b.first + b.middle > 0 ? 1 : b.stride;
  if (b.last > 0) add("dw_end", b.out, b.out, b.last, rest, true, false);
  if (b.scales)
    layer_scale_ = register_module("layer_scale", std::make_shared<ChannelScale>(b.out, t));
}

Tensor MobileBottleneck::forward(const Tensor& x) const {
  Tensor made = x;
  for (const NormedPointer& part : parts_) made = part->forward(made);
  if (layer_scale_) made = layer_scale_->forward(made);
  return skips_ ? made + x : made;
}

void MobileBottleneck::add_cost(MobileCosts& cost, MobilePlaces& places) const {
  for (const NormedPointer& part : parts_) part->add_cost(cost, places);
  if (layer_scale_) layer_scale_->add_cost(cost, places.count());
}

/// timm's MultiQueryAttention2d. As all heads look at the same keys, they are queries like others.
class MobileAttention::Attention : public torch::nn::Module {
 public:
  Attention(const MobileBlock& b, const torch::TensorOptions& t) : block_(b) {
    query_ = projection("query", b.in, b.heads * b.key_dim, t);
    key_ = seen("key", b.key_dim, t);
    value_ = seen("value", b.value_dim, t);
    output_ = projection("output", b.heads * b.value_dim, b.out, t);
  }

  Tensor forward(const Tensor& x) const {
    const std::int64_t frames = x.size(0), places = x.size(1) * x.size(2);
    const Tensor query =
        query_.proj->forward(x).reshape({frames, 1, places * block_.heads, block_.key_dim});
    const auto seen = [&](const Seen& part, std::int64_t size) {
      return part.forward(x).reshape({frames, 1, -1, size});
    };
    const Tensor mixed = at::scaled_dot_product_attention(query, seen(key_, block_.key_dim),
                                                          seen(value_, block_.value_dim));
    return output_.proj->forward(
        mixed.reshape({frames, x.size(1), x.size(2), block_.heads * block_.value_dim}));
  }

  void add_cost(MobileCosts& cost, const MobilePlaces& places) const {
    const StepTerms& terms = cost.terms;
    const MobilePlaces looked = places.halved(block_.kv_stride);
    cost.add(*query_.proj, places.count());
    for (const Seen* part : {&key_, &value_}) {
      if (part->down_conv) {
        cost.add(*part->down_conv, places.count() * block_.in, looked.count() * block_.in);
        cost.add(part->norm, looked.count(), /*activated=*/false);
      }
      cost.add(*part->proj, looked.count());
    }
    const std::int64_t heads = places.count() * block_.heads,
                       core = terms.block(heads * block_.key_dim) +
                              terms.block(heads * block_.value_dim) + terms.floats(heads) +
                              terms.block(looked.count() * (block_.key_dim + block_.value_dim));
    cost.add(core);
    if (cost.flows) cost.most = std::max(cost.most, 2 * core);
    cost.add(*output_.proj, places.count());
  }

 private:
  struct Seen {
    std::shared_ptr<MobileHolder> holder;
    std::shared_ptr<SquareConvolution> down_conv;
    RmsNorm norm{nullptr};
    std::shared_ptr<PlaceProduct> proj;
    Tensor forward(const Tensor& x) const {
      return proj->forward(down_conv ? norm->forward(down_conv->forward(x)) : x);
    }
  };

  Seen projection(const char* name, std::int64_t in, std::int64_t out,
                  const torch::TensorOptions& t) {
    Seen part;
    part.holder = register_module(name, std::make_shared<MobileHolder>());
    part.proj = part.holder->register_module("proj", std::make_shared<PlaceProduct>(in, out, t));
    return part;
  }

  Seen seen(const char* name, std::int64_t size, const torch::TensorOptions& t) {
    Seen part = projection(name, block_.in, size, t);
    if (block_.kv_stride == 1) return part;
    part.down_conv = part.holder->register_module(
        "down_conv", std::make_shared<SquareConvolution>(block_.in, block_.in, block_.kernel,
                                                         block_.kv_stride, true, false, t));
    part.norm = part.holder->register_module("norm", mobile_norm(block_.in, t));
    return part;
  }

  MobileBlock block_;
  Seen query_, key_, value_, output_;
};

MobileAttention::MobileAttention(const MobileBlock& b, const torch::TensorOptions& t)
    : skips_(b.skips) {
  norm_ = register_module("norm", mobile_norm(b.in, t));
  attn_ = register_module("attn", std::make_shared<Attention>(b, t));
  if (b.scales)
    layer_scale_ = register_module("layer_scale", std::make_shared<ChannelScale>(b.out, t));
}

Tensor MobileAttention::forward(const Tensor& x) const {
  Tensor made = attn_->forward(norm_->forward(x));
  if (layer_scale_) made = layer_scale_->forward(made);
  return skips_ ? made + x : made;
}

void MobileAttention::add_cost(MobileCosts& cost, MobilePlaces& places) const {
  cost.add(norm_, places.count(), /*activated=*/false);
  attn_->add_cost(cost, places);
  if (layer_scale_) layer_scale_->add_cost(cost, places.count());
}

}  // namespace luthier
