// SPDX-License-Identifier: GPL-3.0-or-later
// The steps and their words.
#include "ui/tour/tour.h"

#include <QAbstractButton>
#include <algorithm>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/main_window.h"
#include "ui/start/teaching_start.h"
#include "ui/theme.h"
#include "ui/train/run_curves.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {
constexpr int kFollowPlaces = 250;
}

Tour::Tour(MainWindow& window)
    : QObject(&window), window_(window), bubble_(new TourBubble(window.centralWidget())) {
  make_steps();
  connect(bubble_, &TourBubble::next_asked, this, [this] {
    if (at_ < 0) return;
    if (const auto leave = steps_[static_cast<std::size_t>(at_)].leave) leave();
    go(at_ + 1);
  });
  connect(bubble_, &TourBubble::back_asked, this, [this] { go(at_ - 1); });
  connect(bubble_, &TourBubble::end_asked, this, &Tour::end);
  Workspace& workspace = window.workspace();
  connect(&workspace, &Workspace::run_grew, this, &Tour::refresh);
  connect(&workspace, &Workspace::run_ended, this, &Tour::refresh);
  connect(&workspace, &Workspace::forecast_changed, this, &Tour::refresh);
  connect(&workspace.bridge(), &SessionBridge::state_changed, this, &Tour::refresh);
  connect(&workspace, &Workspace::launch_refused, this, [this] {
    // The page says why; there is nothing to explain then.
    if (at_ >= 0 && run() == before_) end();
  });
  connect(&workspace, &Workspace::run_started, this, [this] {
    // The launch button is as good as ours.
    if (step() == QLatin1String("launch")) go(at_ + 1);
    refresh();
  });
  connect(&window, &MainWindow::page_shown, this, &Tour::refresh);
  connect(&Theme::instance(), &Theme::changed, this, &Tour::refresh);
  on_language(bubble_, [this] {
    if (at_ >= 0) go(at_);
  });
  follow_.setInterval(kFollowPlaces);
  connect(&follow_, &QTimer::timeout, bubble_, &TourBubble::place);
}

const LiveRun* Tour::run() const { return window_.workspace().run().get(); }

QString Tour::step() const {
  return at_ < 0 ? QString() : steps_[static_cast<std::size_t>(at_)].name;
}

void Tour::start() {
  before_ = run();
  follow_.start();
  go(0);
}

void Tour::end() {
  show_small_plots(false);
  at_ = -1;
  follow_.stop();
  // A ring is hidden with its bubble.
  bubble_->show_step({}, {}, nullptr, 0, 1);
  bubble_->hide();
}

bool Tour::set_up() {
  const auto tasks = teaching_tasks();
  Status done = tasks ? Status() : Status(tasks.error());
  if (tasks && !tasks->empty())
    done = open_task(window_.workspace(), tasks->front(), QStringLiteral("runs"));
  if (done) {
    window_.show_page(PageId::Train);
    return true;
  }
  window_.tell([error = done.error()](Banner& banner) { banner.show_error(error); });
  return false;
}

void Tour::make_steps() {
  const auto say = [](const char* text) { return [text] { return tr(text); }; };
  const auto state = [this] { return window_.workspace().state(); };
  const auto trained = [this] {
    const LiveRun* now = run();
    return now && now != before_ && !now->lines.empty();
  };
  const auto train_page = [this] {
    if (window_.current() != PageId::Train) window_.show_page(PageId::Train);
  };
  const auto small_plots = [this, train_page] {
    train_page();
    show_small_plots(true);
  };
  steps_ = {
      {"welcome", "", say(QT_TR_NOOP("A model learns in front of you")),
       say(QT_TR_NOOP("The teaching model looks at pictures of shapes and answers questions about "
                      "them in English. In a minute it will answer in Korean: a small adapter "
                      "learns that, and the model itself stays as it is.")),
       say(QT_TR_NOOP("Begin")), [state] { return can_load(state()); }, nullptr,
       [this] {
         if (!set_up()) QTimer::singleShot(0, this, &Tour::end);
       }},
      {"settings", "formScroll", say(QT_TR_NOOP("The settings")),
       say(QT_TR_NOOP("Data, method and training stand here, filled in for this task. Rank says "
                      "how much the adapter can hold, the learning rate how large its steps are. "
                      "F1 explains each one. Leave them as they are for now.")),
       nullptr, nullptr, train_page, nullptr},
      {"forecast", "forecastBar", say(QT_TR_NOOP("What it will take")),
       [this] { return memory_words(); }, nullptr, nullptr, train_page, nullptr},
      {"launch", "launchButton", say(QT_TR_NOOP("Launch")),
       say(QT_TR_NOOP("This button starts the run, and so does F5. A run can be paused, asked "
                      "something, stopped and resumed; nothing of it is lost.")),
       say(QT_TR_NOOP("Launch")),
       [this, trained, state] { return trained() || can_launch(state()); }, train_page,
       [this, trained, state] {
         if (!trained() && can_launch(state())) window_.workspace().launch();
       }},
      {"loss", "lossPlot", say(QT_TR_NOOP("Loss")), [this] { return loss_words(); }, nullptr,
       trained, train_page, nullptr},
      {"memory", "memoryPlot", say(QT_TR_NOOP("Memory")),
       say(QT_TR_NOOP("What the run takes, part by part, under the dashed line of the forecast. A "
                      "run that creeps upwards here would be ill; this one stays where it is.")),
       nullptr, trained, train_page, nullptr},
      {"rate", "ratePlot", say(QT_TR_NOOP("Learning rate")), [this] { return rate_words(); },
       nullptr, trained, small_plots, nullptr},
      {"norm", "normPlot", say(QT_TR_NOOP("Gradient norm")), [this] { return norm_words(); },
       nullptr, trained, small_plots, nullptr},
      {"speed", "speedPlot", say(QT_TR_NOOP("Tokens a second")), [this] { return speed_words(); },
       nullptr, trained, small_plots, nullptr},
      {"ending", "runHeader", say(QT_TR_NOOP("To the end")), [this] { return end_words(); },
       say(QT_TR_NOOP("Compare")),
       [this, trained, state] { return trained() && run()->ended && can_load(state()); },
       train_page,
       [this] {
         window_.workspace().attach_adapter(path_text(run()->started.folder));
         window_.show_page(PageId::Compare);
       }},
      {"compare", "runAll", say(QT_TR_NOOP("Base and adapter side by side")),
       say(QT_TR_NOOP("The same pictures and questions go to the model as it was and to the model "
                      "with its new adapter. Open samples, then press “Run all”: the first column "
                      "answers in English, the second in Korean. That is all there is to it; "
                      "everything else in this program helps to do the same with your own data.")),
       say(QT_TR_NOOP("Done")), nullptr,
       [this] {
         if (window_.current() != PageId::Compare) window_.show_page(PageId::Compare);
       },
       nullptr},
  };
}

void Tour::show_small_plots(bool on) {
  if (auto* curves = window_.page(PageId::Train)->findChild<RunCurves*>()) curves->show_small(on);
}

void Tour::go(int to) {
  if (to < 0 || to >= static_cast<int>(steps_.size())) return end();
  at_ = to;
  const Step& step = steps_[static_cast<std::size_t>(to)];
  show_small_plots(false);
  if (step.begin) step.begin();
  if (at_ != to) return;  // what it began ended the tour
  // Several pages have curves: those that are seen are meant.
  QWidget* about = nullptr;
  if (!step.about.isEmpty())
    for (QWidget* each : window_.findChildren<QWidget*>(step.about))
      if (each->isVisible()) about = each;
  bubble_->show_step(step.title(), step.text(), about, to, static_cast<int>(steps_.size()));
  refresh();
}

void Tour::refresh() {
  if (at_ < 0 || !bubble_) return;
  const Step& step = steps_[static_cast<std::size_t>(at_)];
  bubble_->set_text(step.text());
  bubble_->set_next(step.next ? step.next() : tr("Next"), !step.may_go_on || step.may_go_on());
  bubble_->place();
}

QString Tour::memory_words() const {
  QString text =
      tr("Before anything starts it is known what the run will take, part by part: the "
         "model's weights, the adapter, its gradients, the optimizer and what is "
         "computed on the way.");
  if (const auto& forecast = window_.workspace().forecast())
    text += QLatin1Char(' ') +
            tr("This one takes %1.").arg(bytes_text(forecast->forecast.parts.total()));
  return text;
}

QString Tour::loss_words() const {
  const LiveRun* now = run();
  QString text =
      tr("How surprised the model is by the right answers: the lower, the better it "
         "knows them. The faint line is each step, the strong one their mean.");
  if (!now || now == before_ || now->lines.empty())
    return text + QLatin1Char(' ') + tr("It begins in a moment.");
  const MetricsLine &first = now->lines.front(), &last = now->lines.back();
  text += QLatin1Char(' ') + tr("It began at %1 and is %2 at step %3.")
                                 .arg(number_text(first.loss, 3), number_text(last.loss, 3))
                                 .arg(last.step);
  return text;
}

QString Tour::rate_words() const {
  QString text =
      tr("How large a step may be. It rises at first, so that nothing breaks while the "
         "adapter is still empty, and then falls along a cosine, so that the end is "
         "careful.");
  const LiveRun* now = run();
  if (now && now != before_ && !now->lines.empty())
    text +=
        QLatin1Char(' ') + tr("It is %1 now.").arg(number_text(now->lines.back().learning_rate, 3));
  return text;
}

QString Tour::norm_words() const {
  QString text =
      tr("How strongly the answers of one step pull at the adapter. It shrinks as less "
         "is left to learn; a leap here is a row that surprises, and what is longer "
         "than “Max grad norm” is cut back.");
  const LiveRun* now = run();
  if (now && now != before_ && !now->lines.empty())
    text += QLatin1Char(' ') + tr("It is %1 now.").arg(number_text(now->lines.back().grad_norm, 3));
  return text;
}

QString Tour::speed_words() const {
  QString text =
      tr("How fast it goes: words and parts of pictures that are learned from in a "
         "second. It falls when another program wants the machine.");
  const LiveRun* now = run();
  if (now && now != before_ && !now->lines.empty() && !now->ended && now->eta_seconds > 0)
    text += QLatin1Char(' ') + tr("%1 are left.").arg(duration_text(now->eta_seconds));
  return text;
}

QString Tour::end_words() const {
  const LiveRun* now = run();
  if (now && now != before_ && now->ended) {
    if (now->end_state != "finished")
      return tr("The run is %1. The tour can be started again at any time.")
          .arg(state_text(now->end_state));
    return tr("It is done. The adapter lies in %1, as PEFT writes it, and every other tool can "
              "read it. Now to see what it changed.")
        .arg(path_text(now->started.folder));
  }
  return tr(
      "The line above says how far the run is. Press Pause if you like: the model stays "
      "loaded and answers questions below the curves, and goes on afterwards as if nothing "
      "had been. The tour waits for the end.");
}

}  // namespace luthier
