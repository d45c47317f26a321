// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vit/vit_names.h"

#include <array>
#include <string_view>
#include <utility>

namespace luthier {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kInLayers{
    {{"attention.attention.query", "attention.q_proj"},
     {"attention.attention.key", "attention.k_proj"},
     {"attention.attention.value", "attention.v_proj"},
     {"attention.output.dense", "attention.o_proj"},
     {"intermediate.dense", "mlp.fc1"},
     {"output.dense", "mlp.fc2"}}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kLayers{
    {{"vit.encoder.layer.", "vit.layers."},
     {"decoder.decoder_layers.", "decoder.decoder_layers."}}};

/// What transformers 5.17 writes for MAE's other layers: its own renaming of "layers" meets
/// "decoder_layers", too. It reads the published name as well, and so do all before it.
constexpr std::pair<std::string_view, std::string_view> kRenamedTwice{
    "decoder.decoder_encoder.layer.", "decoder.decoder_layers."};

/// A layer's name with its beginning and one of its parts exchanged.
std::string exchanged(const std::string& name, bool to_memory) {
  const auto from = [to_memory](const auto& pair) { return to_memory ? pair.first : pair.second; };
  const auto into = [to_memory](const auto& pair) { return to_memory ? pair.second : pair.first; };
  for (const auto& layers : kLayers) {
    if (!name.starts_with(from(layers))) continue;
    std::string made = std::string(into(layers)) + name.substr(from(layers).size());
    for (const auto& part : kInLayers) {
      const std::size_t at = made.find("." + std::string(from(part)) + ".");
      if (at != std::string::npos)
        return made.replace(at + 1, from(part).size(), std::string(into(part)));
    }
    return made;
  }
  return name;
}

}  // namespace

std::string vit_memory_name(const std::string& stored) {
  const auto& [written, published] = kRenamedTwice;
  if (stored.starts_with(written))
    return exchanged(std::string(published) + stored.substr(written.size()), true);
  return exchanged(stored, true);
}
std::string vit_stored_name(const std::string& memory) { return exchanged(memory, false); }

}  // namespace luthier
