// SPDX-License-Identifier: GPL-3.0-or-later
// A teaching scene: one to three coloured shapes in the cells of a 3 × 3 grid, and its picture. The
// picture's cells are the tower's patches (24 pixels a side), so that a 3 M model learns to see
// within minutes.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/vision/image.h"

namespace luthier {

inline constexpr int kScenePixels = 72;  ///< side of the picture
inline constexpr int kSceneCell = 24;    ///< side of a cell, and of the tower's patch
inline constexpr int kSceneCells = 9;    ///< row by row from the top left

enum class Shape { Circle, Square, Triangle, Star };
enum class Colour { Red, Orange, Yellow, Green, Blue, Purple };
inline constexpr int kShapes = 4, kColours = 6;

struct SceneObject {
  Shape shape = Shape::Circle;
  Colour colour = Colour::Red;
  int cell = 0;
  bool operator==(const SceneObject&) const = default;
};

/// Objects in reading order, one a cell at most.
struct Scene {
  std::vector<SceneObject> objects;
};

/// Which rows a scene may appear in. Decided by the scene's arrangement alone, so that splits share
/// none.
enum class SceneSplit { Pretrain, Train, HeldOut };

Scene random_scene(RandomStream& random, int max_objects = 3);
/// Draws until the scene belongs to `split`.
Scene random_scene(RandomStream& random, SceneSplit split, int max_objects = 3);
SceneSplit split_of(const Scene& scene);

/// The picture: antialiased shapes, their sizes, places, tints and the background varied by
/// `random`.
Image draw_scene(const Scene& scene, RandomStream& random);

}  // namespace luthier
