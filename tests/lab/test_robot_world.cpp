// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's table: who knows succeeds with every robot and fails where it speaks another's numbers;
// an action's tokens stand for an action near it; the picture shows what there is.
#include <cmath>
#include <set>

#include <QtTest>

#include "engine/data/action_options.h"
#include "engine/lab/robot_world.h"

using namespace luthier;

namespace {

TableState driven(const LabRobot& told, const LabRobot& moved, std::uint64_t seed) {
  RandomStream random(seed, 1);
  TableState state = random_table(random);
  for (int step = 0; step < kEpisodeSteps && !state.closed; ++step)
    state = after_action(moved, state, expert_action(told, state));
  return state;
}

int successes(const LabRobot& told, const LabRobot& moved) {
  int count = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    count += has_succeeded(driven(told, moved, seed)) ? 1 : 0;
  return count;
}

}  // namespace

class TestRobotWorld : public QObject {
  Q_OBJECT

 private slots:
  void who_knows_succeeds() {
    for (const LabRobot& robot : lab_robots()) QCOMPARE(successes(robot, robot), 200);
  }

  void another_robots_numbers_do_not() {
    const LabRobot &arm = **lab_robot("arm"), &mirror = **lab_robot("mirror");
    QVERIFY(successes(arm, mirror) < 60);
    QVERIFY(successes(mirror, arm) < 60);
  }

  void a_robot_that_is_none_is_named() {
    const auto none = lab_robot("whale");
    QVERIFY(!none);
    QVERIFY(none.error().sentence().find("arm, crane, mirror") != std::string::npos);
  }

  void tokens_stand_for_an_action_near_it() {
    Json config = {{"n_action_bins", 64}, {"norm_stats", lab_norm_stats()}};
    const auto options = read_action_options(config, 500, "config.json");
    QVERIFY(options);
    for (const LabRobot& robot : lab_robots()) {
      const auto known = options->robot(robot.name, "row");
      QVERIFY(known);
      for (std::uint64_t row = 0; row < 100; ++row) {
        const std::vector<double> action = expert_action(robot, state_on_the_way(3, row));
        const auto tokens = options->tokens(**known, action);
        for (const TokenId token : tokens) QVERIFY(options->is_action(token));
        const auto again = options->action(**known, tokens);
        for (std::size_t i = 0; i < action.size(); ++i) {
          const double range = (*known)->high[i] - (*known)->low[i];
          QVERIFY(std::abs(again[i] - action[i]) <= range / 63 + 1e-9);
        }
      }
    }
  }

  // OpenVLA's own numbers: 256 edges, of which 1 to 256 are not above a number; 255 middles.
  void the_ends_of_the_scale_are_the_authors() {
    ActionOptions options;
    const ActionOptions::Robot robot{{-1}, {1}, {true}};
    QCOMPARE(options.tokens(robot, {-1}).front(), TokenId(31999));
    QCOMPARE(options.tokens(robot, {1}).front(), TokenId(31744));
    QCOMPARE(options.tokens(robot, {7}).front(), TokenId(31744));
    QCOMPARE(options.tokens(robot, {0}).front(), TokenId(31872));
    QVERIFY(std::abs(options.action(robot, {31999}).front() + 1 - 1.0 / 255) < 1e-12);
    QVERIFY(std::abs(options.action(robot, {31744}).front() - 1 + 1.0 / 255) < 1e-12);
    QCOMPARE(options.action(robot, {31744}), options.action(robot, {31745}));
  }

  void a_robot_that_never_moved_is_refused() {
    Json config = {{"norm_stats", {{"stiff", {{"action", {{"q01", {1.0}}, {"q99", {1.0}}}}}}}}};
    const auto options = read_action_options(config, 500, "config.json");
    QVERIFY(!options);
    QVERIFY(options.error().sentence().find("never moved") != std::string::npos);
  }

  void a_picture_shows_what_there_is() {
    std::set<std::vector<std::uint8_t>> pictures;
    TableState state;
    state.things = {TableThing{false, 0, 0.2, 0.2}, TableThing{true, 2, 0.7, 0.7}};
    const Image open = draw_table(state);
    QCOMPARE(open.width, kTablePixels);
    pictures.insert(open.rgb);
    state.closed = true;
    pictures.insert(draw_table(state).rgb);
    state.x = 0.3;
    pictures.insert(draw_table(state).rgb);
    state.things[0].colour = 1;
    pictures.insert(draw_table(state).rgb);
    state.things[1].square = false;
    pictures.insert(draw_table(state).rgb);
    QCOMPARE(pictures.size(), std::size_t(5));
  }
};

QTEST_APPLESS_MAIN(TestRobotWorld)
#include "test_robot_world.moc"
