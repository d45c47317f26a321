// SPDX-License-Identifier: GPL-3.0-or-later
// What llama.cpp calls a checkpoint's tensors and settings: of its language model, and of what
// makes a picture into tokens, which stands in a file of its own there ("mmproj", read by mtmd).
// A family that has no row here is refused by its name, and so is a setting that llama.cpp would
// compute otherwise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/gguf.h"
#include "engine/io/json.h"

namespace luthier {

struct DecoderOptions;  // models/decoder.h

/// A tensor of a GGUF file and the parameter that it is made of.
struct GgufTensor {
  enum class As {
    Weight,  ///< of the type that is asked for
    Half,    ///< float16 at the least: never in blocks
    Float    ///< float32, whatever is asked for
  };
  std::string name;
  std::string parameter;  ///< by its in-memory name
  As as = As::Weight;
  std::int64_t part = 0, parts = 1;  ///< of the rows: queries, keys and values in one
  std::int64_t frame = -1;           ///< of a convolution over time
  std::int64_t heads = 0;  ///< rows whose halves turn together lie beside one another, head by head
  float plus = 0;          ///< added to each number (norms of 1 + weight)
};

/// A tensor that stands in no checkpoint.
struct GgufMade {
  std::string name;
  std::vector<float> numbers;
};

struct GgufLayout {
  GgufFields fields;
  std::vector<GgufTensor> tensors;
  std::vector<GgufMade> made;
  std::vector<std::string> notes;  ///< sentences: what llama.cpp does otherwise
  std::vector<std::string> left;   ///< parameters that it has no use for
};

struct CheckpointShape {
  std::string name;  ///< in memory
  std::vector<std::int64_t> shape;
};
using CheckpointShapes = std::vector<CheckpointShape>;

struct GgufCheckpoint {
  std::filesystem::path folder;
  Json config;
  std::string model_type;
  CheckpointShapes shapes;
};

struct GgufLayouts {
  GgufLayout language;
  std::optional<GgufLayout> pictures;
  std::int64_t vocabulary = 0;  ///< rows of the embedding
};

/// By the checkpoint's model_type. Every parameter of it is in one of the two, or in what one of
/// them has left.
Result<GgufLayouts> gguf_layouts(const GgufCheckpoint& checkpoint);
/// The model_types that there is a layout for.
std::vector<std::string> gguf_model_types();

/// The decoder whose parameters begin with `prefix`.
Result<GgufLayout> gguf_decoder(const DecoderOptions& options, const std::string& prefix,
                                const CheckpointShapes& shapes, const std::string& where);

/// "X.weight" of the parameter "Y.weight", where `table` has the row {"Y", "X"}; "#" stands for a
/// layer's number in both. None: no row fits.
struct GgufName {
  const char* parameter;
  const char* name;
};
std::optional<std::string> gguf_name(const std::vector<GgufName>& table,
                                     const std::string& parameter);

}  // namespace luthier
