// SPDX-License-Identifier: GPL-3.0-or-later
// Scenes by chance, and a small rasteriser: a shape is a polygon (or a disc), its coverage of a
// pixel counted on 4 × 4 points.
#include "engine/teaching/scene.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace luthier {

namespace {

struct Point {
  double x, y;
};

using Rgb = std::array<int, 3>;

constexpr std::array<Rgb, kColours> kInk = {
    {{214, 40, 40}, {245, 134, 20}, {246, 214, 34}, {44, 150, 62}, {36, 92, 214}, {136, 50, 168}}};
constexpr std::array<Rgb, 5> kPaper = {
    {{246, 244, 238}, {232, 238, 246}, {226, 230, 226}, {58, 62, 70}, {250, 250, 250}}};

/// The shape's outline around the origin with "radius" 1; empty for the disc.
std::vector<Point> outline(Shape shape) {
  std::vector<Point> points;
  switch (shape) {
    case Shape::Circle: break;
    case Shape::Square:
      points = {{-0.88, -0.88}, {0.88, -0.88}, {0.88, 0.88}, {-0.88, 0.88}};
      break;
    case Shape::Triangle: points = {{0, -1}, {1.05, 0.85}, {-1.05, 0.85}}; break;
    case Shape::Star:
      for (int i = 0; i < 10; ++i) {
        const double radius = i % 2 == 0 ? 1.12 : 0.46;
        const double angle = std::numbers::pi * i / 5 - std::numbers::pi / 2;
        points.push_back({radius * std::cos(angle), radius * std::sin(angle)});
      }
      break;
  }
  return points;
}

bool inside(const std::vector<Point>& polygon, Point point) {
  if (polygon.empty()) return point.x * point.x + point.y * point.y <= 1;
  bool within = false;
  for (std::size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Point a = polygon[i], b = polygon[j];
    if ((a.y > point.y) != (b.y > point.y) &&
        point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x)
      within = !within;
  }
  return within;
}

void draw_shape(Image& image, const std::vector<Point>& polygon, Point centre, double radius,
                double turn, const Rgb& ink) {
  constexpr int kGrid = 4;
  const int reach = static_cast<int>(std::ceil(radius * 1.4)) + 1;
  const int left = std::max(0, static_cast<int>(centre.x) - reach),
            right = std::min(image.width - 1, static_cast<int>(centre.x) + reach);
  const int top = std::max(0, static_cast<int>(centre.y) - reach),
            bottom = std::min(image.height - 1, static_cast<int>(centre.y) + reach);
  const double cosine = std::cos(turn) / radius, sine = std::sin(turn) / radius;
  for (int y = top; y <= bottom; ++y) {
    for (int x = left; x <= right; ++x) {
      int covered = 0;
      for (int sample = 0; sample < kGrid * kGrid; ++sample) {
        const double dx = x + (sample % kGrid + 0.5) / kGrid - centre.x,
                     dy = y + (sample / kGrid + 0.5) / kGrid - centre.y;
        covered += inside(polygon, {cosine * dx + sine * dy, cosine * dy - sine * dx});
      }
      if (covered == 0) continue;
      std::uint8_t* pixel =
          &image.rgb[3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) +
                          static_cast<std::size_t>(x))];
      for (int channel = 0; channel < 3; ++channel) {
        const int total = kGrid * kGrid;
        const int under = pixel[channel];
        pixel[channel] = static_cast<std::uint8_t>(
            (under * (total - covered) + ink[static_cast<std::size_t>(channel)] * covered +
             total / 2) /
            total);
      }
    }
  }
}

}  // namespace

Scene random_scene(RandomStream& random, int max_objects) {
  Scene scene;
  const int roll = random.below(20);
  const int count = std::min(max_objects, roll < 4 ? 1 : roll < 11 ? 2 : 3);
  std::array<bool, kSceneCells> taken{};
  for (int i = 0; i < count; ++i) {
    SceneObject object;
    do object.cell = random.below(kSceneCells);
    while (taken[static_cast<std::size_t>(object.cell)]);
    taken[static_cast<std::size_t>(object.cell)] = true;
    object.shape = static_cast<Shape>(random.below(kShapes));
    object.colour = static_cast<Colour>(random.below(kColours));
    // Repeats make counting worth asking.
    if (i > 0 && random.chance(0.3)) object.shape = scene.objects[0].shape;
    scene.objects.push_back(object);
  }
  std::sort(scene.objects.begin(), scene.objects.end(),
            [](const SceneObject& a, const SceneObject& b) { return a.cell < b.cell; });
  return scene;
}

SceneSplit split_of(const Scene& scene) {
  std::uint64_t key = 1;
  for (const SceneObject& object : scene.objects) {
    key = key * 256 + static_cast<std::uint64_t>(object.cell * kShapes * kColours +
                                                 static_cast<int>(object.shape) * kColours +
                                                 static_cast<int>(object.colour));
  }
  const int bucket = RandomStream(0x7363656e65ull, key).below(20);
  return bucket == 0 ? SceneSplit::HeldOut : bucket == 1 ? SceneSplit::Train : SceneSplit::Pretrain;
}

Scene random_scene(RandomStream& random, SceneSplit split, int max_objects) {
  Scene scene;
  do scene = random_scene(random, max_objects);
  while (split_of(scene) != split);
  return scene;
}

Image draw_scene(const Scene& scene, RandomStream& random) {
  Image image;
  image.width = image.height = kScenePixels;
  image.rgb.resize(3 * kScenePixels * kScenePixels);
  Rgb paper = kPaper[static_cast<std::size_t>(random.below(static_cast<int>(kPaper.size())))];
  for (int& channel : paper) channel = std::clamp(channel + random.between(-6, 6), 0, 255);
  const int horizon =
      random.between(0, 2) == 0 ? random.between(40, 64) : kScenePixels;  // some have a floor
  for (int y = 0; y < kScenePixels; ++y) {
    const int shade = y >= horizon ? 10 : 0;
    for (int x = 0; x < kScenePixels; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        image.rgb[static_cast<std::size_t>(3 * (y * kScenePixels + x) + channel)] =
            static_cast<std::uint8_t>(
                std::max(0, paper[static_cast<std::size_t>(channel)] - shade));
      }
    }
  }
  for (const SceneObject& object : scene.objects) {
    const double radius = 7.0 + 2.5 * random.unit();
    const Point centre = {kSceneCell * (object.cell % 3 + 0.5) + 3 * random.unit() - 1.5,
                          kSceneCell * (object.cell / 3 + 0.5) + 3 * random.unit() - 1.5};
    const double turn = 0.3 * (random.unit() - 0.5);
    Rgb ink = kInk[static_cast<std::size_t>(object.colour)];
    for (int& channel : ink) channel = std::clamp(channel + random.between(-8, 8), 0, 255);
    draw_shape(image, outline(object.shape), centre, radius, turn, ink);
  }
  return image;
}

}  // namespace luthier
