// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/attention.h"

#include <cmath>
#include <numbers>

namespace luthier {

namespace {

using torch::Tensor;
using torch::indexing::Slice;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local AttentionRecorder* recorder = nullptr;

/// x·cos + rotate_half(x)·sin with halves [x1, x2] ↦ [−x2, x1]; `sign` −1 turns back.
Tensor rotate_halves(const Tensor& x, const Tensor& cos, const Tensor& sin, double sign) {
  const std::int64_t dimension = cos.size(-1), half = dimension / 2;
  const bool partial = dimension < x.size(-1);
  const Tensor turned = partial ? x.slice(-1, 0, dimension) : x;
  Tensor y = turned * cos;
  const Tensor first = turned.slice(-1, 0, half), second = turned.slice(-1, half);
  y.slice(-1, 0, half).addcmul_(second, sin.slice(-1, 0, half), -sign);
  y.slice(-1, half).addcmul_(first, sin.slice(-1, half), sign);
  return partial ? at::cat({y, x.slice(-1, dimension)}, -1) : y;
}

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cos, const Tensor& sin) {
    context->save_for_backward({cos, sin});
    return rotate_halves(x, cos, sin, 1);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    // The two halves of cos and of sin are equal, so the transpose of the rotation is the rotation with −sin.
    return {rotate_halves(gradients[0], saved[0], saved[1], -1), Tensor(), Tensor()};
  }
};

Tensor repeat_heads(const Tensor& x, std::int64_t times) {
  if (times == 1) return x;
  const auto batch = x.size(0), heads = x.size(1), keys = x.size(2), size = x.size(3);
  return x.unsqueeze(2).expand({batch, heads, times, keys, size}).reshape({batch, heads * times, keys, size});
}

/// Additive mask [seq, keys]: 0 where a query may look, −inf elsewhere.
Tensor window_mask(std::int64_t seq, std::int64_t keys, std::optional<std::int64_t> window, const torch::TensorOptions& options) {
  const Tensor query = torch::arange(keys - seq, keys, options.dtype(torch::kInt64)).unsqueeze(1);
  const Tensor key = torch::arange(keys, options.dtype(torch::kInt64)).unsqueeze(0);
  Tensor allowed = key <= query;
  if (window) allowed = allowed.logical_and(key > query - *window);
  return torch::zeros({seq, keys}, options).masked_fill_(allowed.logical_not(), -std::numeric_limits<double>::infinity());
}

}  // namespace

Result<RotaryOptions> read_rotary_options(const Json& text_config, std::int64_t head_dim, const std::string& where) {
  RotaryOptions options;
  LUTHIER_TRY(options.theta, json_number(text_config, "rope_theta", where, 10000.0));
  double partial = 1;
  LUTHIER_TRY(partial, json_number(text_config, "partial_rotary_factor", where, 1.0));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto found = text_config.find(key);
    if (found == text_config.end() || found->is_null()) continue;
    const std::string place = where + ": " + key;
    if (!found->is_object()) return input_error("An object is expected.", place);
    LUTHIER_TRY(options.theta, json_number(*found, "rope_theta", place, options.theta));
    LUTHIER_TRY(partial, json_number(*found, "partial_rotary_factor", place, partial));
    LUTHIER_TRY(std::string old_type, json_string(*found, "type", place, "default"));
    LUTHIER_TRY(options.type, json_string(*found, "rope_type", place, old_type));
    LUTHIER_TRY(options.factor, json_number(*found, "factor", place, 1.0));
    LUTHIER_TRY(options.low_freq_factor, json_number(*found, "low_freq_factor", place, 1.0));
    LUTHIER_TRY(options.high_freq_factor, json_number(*found, "high_freq_factor", place, 4.0));
    LUTHIER_TRY(options.original_max_position_embeddings, json_int(*found, "original_max_position_embeddings", place, 0));
    if (options.type != "default" && options.type != "linear" && options.type != "llama3") {
      return input_error("The rotary scaling \"" + options.type + "\" is not known.", place + ".rope_type", "Known are default, linear and llama3.");
    }
    if (!(options.factor > 0)) return input_error("The factor must be above 0.", place + ".factor");
    if (options.type == "llama3" && (options.original_max_position_embeddings <= 0 || !(options.low_freq_factor > 0) ||
                                     !(options.high_freq_factor > options.low_freq_factor))) {
      return input_error("llama3 scaling needs original_max_position_embeddings > 0 and 0 < low_freq_factor < high_freq_factor.", place);
    }
  }
  if (!(options.theta > 0) || !std::isfinite(options.theta)) return input_error("rope_theta must be above 0.", where + ": rope_theta");
  options.dimension = static_cast<std::int64_t>(static_cast<double>(head_dim) * partial);
  if (options.dimension <= 0 || options.dimension > head_dim || options.dimension % 2 != 0) {
    return input_error("The rotated part of a head must be even and within the head's size.", where + ": head_dim");
  }
  return options;
}

Tensor rotary_frequencies(const RotaryOptions& options) {
  const Tensor exponent = torch::arange(0, options.dimension, 2, torch::kInt64).to(torch::kFloat32) / static_cast<double>(options.dimension);
  Tensor frequencies = 1.0 / torch::pow(options.theta, exponent);
  if (options.type == "linear") return frequencies / options.factor;
  if (options.type == "llama3") {
    const double old_length = static_cast<double>(options.original_max_position_embeddings);
    const Tensor wavelength = 2 * std::numbers::pi / frequencies;
    const double low = old_length / options.low_freq_factor, high = old_length / options.high_freq_factor;
    const Tensor scaled = torch::where(wavelength > low, frequencies / options.factor, frequencies);
    const Tensor smooth = (old_length / wavelength - options.low_freq_factor) / (options.high_freq_factor - options.low_freq_factor);
    const Tensor blended = (1 - smooth) * scaled / options.factor + smooth * scaled;
    const Tensor middle = (wavelength >= high).logical_and(wavelength <= low);
    return torch::where(middle, blended, scaled);
  }
  return frequencies;
}

RotaryTable rotary_table(const Tensor& frequencies, const Tensor& position_ids, torch::ScalarType dtype) {
  const Tensor angles = position_ids.to(torch::kFloat32).unsqueeze(-1) * frequencies;   // [batch or 1, seq, dimension / 2]
  const Tensor both = at::cat({angles, angles}, -1);
  return {both.cos().to(dtype), both.sin().to(dtype)};
}

Tensor rotate(const Tensor& x, const RotaryTable& table) {
  return RotateFunction::apply(x, table.cos.unsqueeze(1), table.sin.unsqueeze(1));
}

std::pair<Tensor, Tensor> KeyValueCache::append(std::int64_t layer, const Tensor& key, const Tensor& value) {
  Tensor& keys = keys_.at(static_cast<std::size_t>(layer));
  Tensor& values = values_.at(static_cast<std::size_t>(layer));
  if (!keys.defined()) {
    keys = torch::empty({key.size(0), key.size(1), capacity_, key.size(3)}, key.options());
    values = torch::empty_like(keys);
  }
  const std::int64_t end = length_ + key.size(2);
  TORCH_CHECK(end <= capacity_, "the key-value cache is full");
  keys.slice(2, length_, end).copy_(key);
  values.slice(2, length_, end).copy_(value);
  return {keys.slice(2, 0, end), values.slice(2, 0, end)};
}

void KeyValueCache::select(const Tensor& rows) {
  for (auto* store : {&keys_, &values_}) {
    for (Tensor& tensor : *store) {
      if (tensor.defined()) tensor = tensor.index_select(0, rows.to(tensor.device()));
    }
  }
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, std::optional<std::int64_t> sliding_window) {
  const std::int64_t seq = q.size(2), keys = k.size(2), groups = q.size(1) / k.size(1);
  const Tensor key = repeat_heads(k, groups), value = repeat_heads(v, groups);
  const bool windowed = causal && sliding_window && keys > *sliding_window;
  if (recorder) {
    Tensor scores = at::matmul(q, key.transpose(-1, -2)).to(torch::kFloat32) / std::sqrt(static_cast<double>(q.size(3)));
    if (causal) scores = scores + window_mask(seq, keys, sliding_window, scores.options());
    recorder->weights.push_back(scores.softmax(-1));
  }
  if (windowed || (causal && seq > 1 && seq != keys)) {
    return at::scaled_dot_product_attention(q, key, value, window_mask(seq, keys, sliding_window, q.options()));
  }
  return at::scaled_dot_product_attention(q, key, value, {}, 0.0, causal && seq > 1);
}

AttentionRecorder::AttentionRecorder() { recorder = this; }
AttentionRecorder::~AttentionRecorder() { recorder = nullptr; }

}  // namespace luthier
