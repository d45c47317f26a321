// SPDX-License-Identifier: GPL-3.0-or-later
// What the vision tests share with tests/data/vision/make_vision.py: the noise pictures, the
// digest, the written expectations.
#pragma once

#include <QtTest>

#include <cstring>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/vision/image.h"

namespace luthier::test {

inline Image noise(int width, int height, std::uint32_t seed) {
  Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(std::size_t(width) * std::size_t(height) * 3);
  std::uint32_t state = seed;
  for (auto& byte : image.rgb) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return image;
}

template <class T>
std::string digest(const std::vector<T>& values) {
  return sha256_bytes(std::as_bytes(std::span(values))).substr(0, 16);
}

inline Json expectations(const std::string& name) {
  auto json =
      read_json_file(std::filesystem::path(LUTHIER_TEST_DATA) / "vision" / (name + ".json"));
  return json ? json.take() : Json();
}

inline std::vector<std::byte> picture(const std::string& name) {
  static const Json pictures = expectations("pictures");
  const std::string hex = pictures.value(name, "");
  std::vector<std::byte> bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return bytes;
}

}  // namespace luthier::test
