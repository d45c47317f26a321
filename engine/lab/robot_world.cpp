// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/robot_world.h"

#include <algorithm>
#include <cmath>

namespace luthier {

namespace {

constexpr std::array<const char*, 4> kTableColours{"red", "green", "blue", "yellow"};
constexpr std::array<std::array<std::uint8_t, 3>, 4> kTableInks{
    {{214, 48, 49}, {38, 166, 91}, {41, 98, 214}, {240, 200, 40}}};
constexpr double kThing = 0.1;  // of the table's side, from its middle to its edge

double between(RandomStream& random, double low, double high) {
  return low + (high - low) * random.unit();
}

double distance(double ax, double ay, double bx, double by) { return std::hypot(ax - bx, ay - by); }

/// How much of the pixel around (x, y) lies in a shape, by four points in it.
template <typename Inside>
double covered(int column, int row, const Inside& inside) {
  double part = 0;
  for (const double dy : {0.25, 0.75})
    for (const double dx : {0.25, 0.75})
      part += inside((column + dx) / kTablePixels, (row + dy) / kTablePixels) ? 0.25 : 0;
  return part;
}

void paint(Image& image, const std::array<std::uint8_t, 3>& ink, const auto& inside) {
  for (int row = 0; row < kTablePixels; ++row) {
    for (int column = 0; column < kTablePixels; ++column) {
      const double part = covered(column, row, inside);
      if (part == 0) continue;
      std::uint8_t* pixel = image.rgb.data() + 3 * (row * kTablePixels + column);
      for (std::size_t channel = 0; channel < 3; ++channel)
        pixel[channel] = static_cast<std::uint8_t>(
            std::lround(part * ink[channel] + (1 - part) * pixel[channel]));
    }
  }
}

}  // namespace

std::vector<double> LabRobot::action(double dx, double dy, bool close) const {
  return {scale * (axes[0][0] * dx + axes[0][1] * dy), scale * (axes[1][0] * dx + axes[1][1] * dy),
          close ? 1.0 : 0.0};
}

std::array<double, 2> LabRobot::move(const std::vector<double>& action) const {
  // The axes are turned or mirrored, so that their transpose undoes them.
  const double a = action[0] / scale, b = action[1] / scale;
  const auto bounded = [](double x) { return std::clamp(x, -kLongestMove, kLongestMove); };
  return {bounded(axes[0][0] * a + axes[1][0] * b), bounded(axes[0][1] * a + axes[1][1] * b)};
}

const std::vector<LabRobot>& lab_robots() {
  static const std::vector<LabRobot> robots{{"arm", {{{1, 0}, {0, 1}}}, 1},
                                            {"crane", {{{0, 1}, {1, 0}}}, 10},
                                            {"mirror", {{{-1, 0}, {0, -1}}}, 1}};
  return robots;
}

Result<const LabRobot*> lab_robot(const std::string& name) {
  std::string known;
  for (const LabRobot& robot : lab_robots()) {
    if (robot.name == name) return &robot;
    known += (known.empty() ? "" : ", ") + robot.name;
  }
  return input_error("There is no robot \"" + name + "\" in the lab.", "--robot",
                     "There are " + known + ".");
}

TableState random_table(RandomStream& random) {
  TableState state;
  const auto place = [&](double& x, double& y) {
    x = between(random, 0.15, 0.85), y = between(random, 0.15, 0.85);
  };
  for (TableThing& thing : state.things) {
    thing.square = random.chance(0.5);
    thing.colour = static_cast<int>(random.below(static_cast<int>(kTableColours.size())));
  }
  // Told apart by colour or by shape, and lying apart.
  if (state.things[0].colour == state.things[1].colour)
    state.things[1].square = !state.things[0].square;
  do {
    for (TableThing& thing : state.things) place(thing.x, thing.y);
  } while (distance(state.things[0].x, state.things[0].y, state.things[1].x, state.things[1].y) <
           3 * kThing);
  state.target = static_cast<int>(random.below(2));
  place(state.x, state.y);
  return state;
}

std::string table_instruction(const TableState& state) {
  const TableThing& thing = state.things[static_cast<std::size_t>(state.target)];
  return std::string("move to the ") + kTableColours[static_cast<std::size_t>(thing.colour)] +
         (thing.square ? " square" : " circle");
}

Image draw_table(const TableState& state) {
  Image image{kTablePixels, kTablePixels,
              std::vector<std::uint8_t>(3 * kTablePixels * kTablePixels, 236)};
  for (const TableThing& thing : state.things) {
    const auto& ink = kTableInks[static_cast<std::size_t>(thing.colour)];
    paint(image, ink, [&](double x, double y) {
      return thing.square ? std::max(std::abs(x - thing.x), std::abs(y - thing.y)) < kThing * 0.9
                          : distance(x, y, thing.x, thing.y) < kThing;
    });
  }
  // A cross, whose middle is open until the gripper closes.
  const double arm = 0.07, thick = 0.016, open = state.closed ? 0 : 0.025;
  paint(image, {20, 20, 20}, [&](double x, double y) {
    const double dx = std::abs(x - state.x), dy = std::abs(y - state.y);
    const bool cross = (dx < thick && dy < arm) || (dy < thick && dx < arm);
    return cross && std::max(dx, dy) >= open;
  });
  return image;
}

std::vector<double> expert_action(const LabRobot& robot, const TableState& state) {
  const TableThing& thing = state.things[static_cast<std::size_t>(state.target)];
  if (distance(state.x, state.y, thing.x, thing.y) < kReach / 2) return robot.action(0, 0, true);
  const auto step = [](double way) { return std::clamp(way, -kLongestMove, kLongestMove); };
  return robot.action(step(thing.x - state.x), step(thing.y - state.y), false);
}

TableState after_action(const LabRobot& robot, TableState state,
                        const std::vector<double>& action) {
  const auto [dx, dy] = robot.move(action);
  state.x = std::clamp(state.x + dx, 0.0, 1.0);
  state.y = std::clamp(state.y + dy, 0.0, 1.0);
  state.closed = action[2] > 0.5;
  return state;
}

bool has_succeeded(const TableState& state) {
  const TableThing& thing = state.things[static_cast<std::size_t>(state.target)];
  return state.closed && distance(state.x, state.y, thing.x, thing.y) < kReach;
}

Json lab_norm_stats() {
  Json stats = Json::object();
  for (const LabRobot& robot : lab_robots()) {
    const double most = robot.scale * kLongestMove;
    stats[robot.name]["action"] = {
        {"q01", {-most, -most, 0.0}}, {"q99", {most, most, 1.0}}, {"mask", {true, true, false}}};
  }
  return stats;
}

TableState state_on_the_way(std::uint64_t seed, std::uint64_t row) {
  RandomStream random(seed, 71, row);
  TableState state = random_table(random);
  const TableThing& thing = state.things[static_cast<std::size_t>(state.target)];
  // As often near the target as far from it, since an episode is both; and not straight on the way.
  const double share = random.unit();
  state.x += share * (thing.x - state.x) + between(random, -0.05, 0.05);
  state.y += share * (thing.y - state.y) + between(random, -0.05, 0.05);
  if (random.chance(0.25)) {
    state.x = thing.x + between(random, -0.03, 0.03);
    state.y = thing.y + between(random, -0.03, 0.03);
  }
  state.x = std::clamp(state.x, 0.0, 1.0), state.y = std::clamp(state.y, 0.0, 1.0);
  return state;
}

}  // namespace luthier
