// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/p_tuning.h"

#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/methods/prompt_tuning.h"
#include "engine/methods/prompts.h"
#include "engine/nn/batch_part.h"
#include "engine/nn/dropout.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::int64_t kDirections = 2;
constexpr std::int64_t kOfLayer = kDirections * 4;  // tensors of a layer of an LSTM

}  // namespace

std::vector<TensorSize> PromptEncoder::sizes(const Shape& s) {
  const std::string root = "prompt_encoder.", head = root + "mlp_head.";
  std::vector<TensorSize> sizes{{root + "embedding.weight", {s.tokens, s.width}}};
  const auto add = [&](const std::string& place, std::int64_t out, std::int64_t in) {
    sizes.push_back({head + place + ".weight", {out, in}});
    sizes.push_back({head + place + ".bias", {out}});
  };
  if (!s.lstm) {
    add("0", s.inner, s.width);
    add("2", s.inner, s.inner);
    add("4", s.width, s.inner);
    return sizes;
  }
  for (std::int64_t layer = 0; layer < s.layers; ++layer) {
    const std::int64_t in = layer == 0 ? s.width : 2 * s.inner;
    for (const char* direction : {"", "_reverse"}) {
      const std::string end = "_l" + std::to_string(layer) + direction;
      sizes.push_back({root + "lstm_head.weight_ih" + end, {4 * s.inner, in}});
      sizes.push_back({root + "lstm_head.weight_hh" + end, {4 * s.inner, s.inner}});
      sizes.push_back({root + "lstm_head.bias_ih" + end, {4 * s.inner}});
      sizes.push_back({root + "lstm_head.bias_hh" + end, {4 * s.inner}});
    }
  }
  add("0", 2 * s.inner, 2 * s.inner);
  add("2", s.width, 2 * s.inner);
  return sizes;
}

void PromptEncoder::draw(std::vector<Tensor>& tensors, const Shape& shape,
                         at::Generator& generator) {
  tensors[0].normal_(0, 1, generator);
  std::size_t next = 1;
  if (shape.lstm) {
    const double bound = 1 / std::sqrt(static_cast<double>(shape.inner));
    const auto end = next + static_cast<std::size_t>(shape.layers * kOfLayer);
    for (; next < end; ++next) tensors[next].uniform_(-bound, bound, generator);
  }
  for (; next < tensors.size(); next += 2) draw_linear(tensors[next], tensors[next + 1], generator);
}

Tensor PromptEncoder::made(const Drop& drop) const {
  Tensor x = tensors_[0];  // [tokens, width]
  std::size_t next = 1;
  const auto linear = [&](const Tensor& in) {
    const Tensor y = at::linear(in, tensors_[next], tensors_[next + 1]);
    next += 2;
    return y;
  };
  if (!shape_.lstm) {
    x = at::relu(linear(x));
    x = at::relu(linear(x));
    return linear(x);
  }
  x = x.unsqueeze(0);  // [1, tokens, width]
  const Tensor none =
      torch::zeros({kDirections, 1, shape_.inner}, x.options().requires_grad(false));
  for (std::int64_t layer = 0; layer < shape_.layers; ++layer) {
    const auto begin = tensors_.begin() + static_cast<std::ptrdiff_t>(next);
    const std::vector<Tensor> weights(begin, begin + static_cast<std::ptrdiff_t>(kOfLayer));
    next += weights.size();
    // A card's own kernels have a backward in training alone; nothing is dropped in there.
    x = std::get<0>(at::lstm(x, {none, none}, weights, /*has_biases=*/true, /*num_layers=*/1,
                             /*dropout=*/0, /*train=*/torch::GradMode::is_enabled(),
                             /*bidirectional=*/true, /*batch_first=*/true));
    if (drop && layer + 1 < shape_.layers) x = drop(x, layer);
  }
  x = at::relu(linear(x.squeeze(0)));
  return linear(x);
}

namespace {

constexpr const char* kEncoderTuning = "p_tuning";

/// The prompt as the network makes it in this pass.
class EncodedPromptPlug : public SequencePlug {
 public:
  EncodedPromptPlug(std::shared_ptr<PromptEncoder> encoder, double dropout)
      : encoder_(std::move(encoder)), dropout_(dropout) {}

  TokenSequence extend(const TokenSequence& sequence) const override {
    if (strength == 0) return sequence;
    PromptEncoder::Drop drop;
    if (training && dropout_ > 0) {
      drop = [this](const Tensor& x, std::int64_t layer) {
        const std::uint64_t own = *mask_seed(seed ^ mixed_bits(BatchPart::here()));
        return dropped_out(x, dropout_,
                           MaskSeed(mixed_bits(own + static_cast<std::uint64_t>(layer))));
      };
    }
    const Tensor prompt = encoder_->made(drop);
    return with_prompt(sequence, strength == 1 ? prompt : prompt * strength);
  }
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override {
    return dropout_ > 0 ? std::optional(mixed_bits(of_batch + kGoldenStep)) : std::nullopt;
  }

 private:
  std::shared_ptr<PromptEncoder> encoder_;
  double dropout_;
};

PromptEncoder::Shape encoder_shape_of(const ModelGeometry& model, const AdapterSettings& settings) {
  const KindValues& values = settings.more;
  PromptEncoder::Shape shape;
  shape.tokens = values.integer("adapter.num_virtual_tokens");
  shape.width = model.hidden_size;
  shape.inner = values.optional_integer("adapter.encoder_hidden_size").value_or(shape.width);
  shape.lstm = values.text("adapter.encoder_reparameterization_type") == "LSTM";
  shape.layers = values.integer("adapter.encoder_num_layers");
  return shape;
}

const std::vector<SettingField>& encoder_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      prompt_fields({{"encoder_dropout", Use::Read, ""},
                     {"encoder_hidden_size", Use::Read, ""},
                     {"encoder_num_layers", Use::Read, ""},
                     {"encoder_reparameterization_type", Use::Read, ""}});
  return table;
}

Result<AdapterSettings> encoder_read(const Json& config, const std::string& where) {
  return read_prompt_settings(kEncoderTuning, config, where);
}

Json encoder_write(const AdapterSettings& settings) {
  return write_prompt_settings(kEncoderTuning, settings);
}

std::vector<TensorSize> encoder_sizes(const ModelGeometry& model, const AdapterSettings& settings) {
  return PromptEncoder::sizes(encoder_shape_of(model, settings));
}

Json encoder_facts_of(const LoadedModel& base, const AdapterSettings& settings) {
  const ModelGeometry model = base.model->geometry();
  const PromptEncoder::Shape shape = encoder_shape_of(model, settings);
  Json facts = prompt_facts(model, shape.width, model.num_attention_heads);
  facts["encoder_hidden_size"] = shape.inner;
  return facts;
}

Adapter::Parts encoder_parts_of(LoadedModel& base, SequencePort& port,
                                const AdapterSettings& settings, std::vector<Tensor> tensors) {
  const PromptEncoder::Shape shape = encoder_shape_of(base.model->geometry(), settings);
  const auto encoder = std::make_shared<PromptEncoder>(shape, std::move(tensors));
  const double dropout =
      shape.lstm && shape.layers > 1 ? settings.more.number("adapter.encoder_dropout") : 0.0;
  Adapter::Parts parts;
  parts.hung.push_back(
      hung_on(port.sequence_plug, "", std::make_shared<EncodedPromptPlug>(encoder, dropout)));
  const std::vector<TensorSize> names = PromptEncoder::sizes(shape);
  for (std::size_t i = 0; i < names.size(); ++i)
    parts.trained.emplace_back(names[i].suffix, encoder->tensors()[i]);
  parts.facts = encoder_facts_of(base, settings);
  parts.stored = [encoder] {
    const torch::NoGradGuard no_grad;
    return std::vector<Adapter::Named>{{kPromptKey, encoder->made()}};
  };
  return parts;
}

Result<Adapter::Parts> encoder_make(LoadedModel& base, const AdapterSettings& settings,
                                    std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(SequencePort* const port, prompt_port(list_ports(*base.model)));
  const PromptEncoder::Shape shape = encoder_shape_of(base.model->geometry(), settings);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::vector<Tensor> tensors;
  for (const TensorSize& size : PromptEncoder::sizes(shape))
    tensors.push_back(torch::zeros(size.shape, torch::kFloat32));
  PromptEncoder::draw(tensors, shape, generator);
  for (Tensor& tensor : tensors) tensor = tensor.to(base.model->device());
  return encoder_parts_of(base, *port, settings, std::move(tensors));
}

Result<Adapter::Parts> encoder_load(LoadedModel& base, const AdapterSettings& settings,
                                    const SafetensorsFile& file) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(SequencePort* const port, prompt_port(list_ports(*base.model)));
  const PromptEncoder::Shape shape = encoder_shape_of(base.model->geometry(), settings);
  LUTHIER_TRY(const Tensor prompt, read_prompt(file, shape.tokens, shape.width));
  LUTHIER_TRY(auto encoder, read_encoder(file, PromptEncoder::sizes(shape), base.model->device()));
  if (encoder) return encoder_parts_of(base, *port, settings, std::move(*encoder));
  Adapter::Parts parts;
  const Tensor own = prompt.to(base.model->device());
  parts.hung.push_back(hung_on(port->sequence_plug, "", std::make_shared<PromptPlug>(own)));
  parts.facts = encoder_facts_of(base, settings);
  parts.stored = [own] { return std::vector<Adapter::Named>{{kPromptKey, own}}; };
  parts.fixed = no_encoder(file);
  return parts;
}

void encoder_add_to(StepTerms& terms, const AdapterSettings& settings) {
  terms.tokens_before = settings.more.integer("adapter.num_virtual_tokens");
}

const WholeMethod kEncoderWhole{encoder_sizes, encoder_make, encoder_load, encoder_add_to};

}  // namespace

const Method& p_tuning_method() {
  static const Method method = [] {
    Method row(method_kind(kEncoderTuning));
    row.fields = encoder_fields;
    row.read = encoder_read;
    row.write = encoder_write;
    row.of_whole = &kEncoderWhole;
    row.unmergeable =
        "P-tuning puts tokens in front of the text, which no weight of the base can hold.";
    return row;
  }();
  return method;
}

}  // namespace luthier
