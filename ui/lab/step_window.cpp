// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/step_window.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>
#include <algorithm>
#include <limits>

#include "ui/format.h"
#include "ui/lab/matrix_view.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/ranks/heat_grid.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/legend.h"
#include "ui/widgets/stacked_bar.h"

namespace luthier {

namespace {
constexpr QSize kStepSize(1000, 640);
}

StepWindow* StepWindow::of(Workspace& workspace, QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<StepWindow*>()) return there;
  return new StepWindow(workspace, window);
}

StepWindow::StepWindow(Workspace& workspace, QWidget* owner)
    : QDialog(owner), workspace_(workspace) {
  setObjectName(QStringLiteral("stepWindow"));
  auto* layout = new QVBoxLayout(this);
  layout->addWidget(make_head());
  note_ = text_label(this, true);
  note_->setObjectName(QStringLiteral("stepNote"));
  layout->addWidget(note_);
  layout->addWidget(make_stage(), 1);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::slow_step_taken, this, &StepWindow::show_step);
  connect(&bridge, &SessionBridge::request_done, this, &StepWindow::end);
  connect(&bridge, &SessionBridge::state_changed, this, &StepWindow::refresh);
  connect(&workspace_, &Workspace::model_changed, this, &StepWindow::refresh);
  on_language(this, [this] { retranslate(); });
  resize(kStepSize);
}

QWidget* StepWindow::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  const auto spin = [&](const char* name, int least) {
    auto* made = new QSpinBox(head);
    made->setObjectName(QLatin1String(name));
    made->setRange(least, least == 0 ? 1000 : std::numeric_limits<int>::max());
    return made;
  };
  row_label_ = new QLabel(head);
  row_ = spin("stepRow", 1);
  row_label_->setBuddy(row_);
  before_label_ = new QLabel(head);
  before_ = spin("stepsBefore", 0);
  before_label_->setBuddy(before_);
  module_label_ = new QLabel(head);
  module_ = new QComboBox(head);
  module_->setObjectName(QStringLiteral("stepModule"));
  module_->setMinimumContentsLength(20);
  module_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  module_label_->setBuddy(module_);
  take_ = new QPushButton(head);
  take_->setObjectName(QStringLiteral("takeStep"));
  take_->setDefault(true);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{row_label_, row_, before_label_, before_, module_label_})
    row->addWidget(widget);
  row->addWidget(module_, 1);
  row->addWidget(take_);
  connect(take_, &QPushButton::clicked, this, &StepWindow::take_step);
  connect(module_, &QComboBox::activated, this, &StepWindow::take_step);
  return head;
}

QWidget* StepWindow::make_stage() {
  auto* card = new Card(this);
  auto* ways = new QHBoxLayout;
  back_ = new QPushButton(card);
  back_->setObjectName(QStringLiteral("stepBack"));
  on_ = new QPushButton(card);
  on_->setObjectName(QStringLiteral("stepOn"));
  ways->addWidget(back_);
  auto* group = new QButtonGroup(card);
  group->setExclusive(true);
  for (int i = 0; i < kMoments; ++i) {
    auto* button = new QPushButton(card);
    button->setObjectName(QStringLiteral("moment_%1").arg(i));
    button->setCheckable(true);
    button->setFlat(true);
    group->addButton(button, i);
    ways->addWidget(button, 1);
    moments_[static_cast<std::size_t>(i)] = button;
  }
  ways->addWidget(on_);
  card->body()->addLayout(ways);
  title_ = text_label(card);
  title_->setObjectName(QStringLiteral("stepTitle"));
  title_->setFont(scaled_font(1.05, true));
  card->body()->addWidget(title_);
  words_ = text_label(card, true);
  words_->setObjectName(QStringLiteral("stepWords"));
  card->body()->addWidget(words_);
  auto* grid = new QHBoxLayout;
  grid->setSpacing(16);
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    matrices_[i] = new MatrixView(card);
    matrices_[i]->setObjectName(QStringLiteral("matrix_%1").arg(i));
    grid->addWidget(matrices_[i], 1);
  }
  card->body()->addLayout(grid, 1);
  memory_ = text_label(card);
  memory_->setObjectName(QStringLiteral("stepMemory"));
  card->body()->addWidget(memory_);
  bar_ = new StackedBar(card);
  card->body()->addWidget(bar_);
  legend_ = new Legend(card);
  card->body()->addWidget(legend_);
  connect(group, &QButtonGroup::idClicked, this, &StepWindow::go);
  connect(back_, &QPushButton::clicked, this, [this] { go(moment_ - 1); });
  connect(on_, &QPushButton::clicked, this, [this] { go(moment_ + 1); });
  return card;
}

void StepWindow::retranslate() {
  setWindowTitle(tr("One step, slowly"));
  row_label_->setText(tr("&Row"));
  row_->setAccessibleName(tr("Row"));
  before_label_->setText(tr("Steps &before"));
  before_->setAccessibleName(tr("Steps before"));
  before_->setToolTip(
      tr("Taken on the row before the one that is shown: in the very first step B is zero, and so "
         "A gets no gradient"));
  module_label_->setText(tr("&Module"));
  module_->setAccessibleName(tr("Module"));
  take_->setText(tr("&Take the step"));
  back_->setText(tr("◀ Back"));
  on_->setText(tr("On ▶"));
  const QStringList names{tr("1  Before"), tr("2  Backward"), tr("3  Update"), tr("4  After")};
  for (int i = 0; i < kMoments; ++i) moments_[static_cast<std::size_t>(i)]->setText(names[i]);
  render();
  refresh();
}

void StepWindow::open_here() {
  show();
  raise();
  activateWindow();
  refresh();
  take_->setFocus();
}

void StepWindow::take_step() {
  if (request_ != 0 || !take_->isEnabled()) return;
  SlowStepRequest asked;
  asked.row = static_cast<std::size_t>(row_->value() - 1);
  asked.steps_before = before_->value();
  asked.module = module_->currentData().toString().toStdString();
  request_ = workspace_.session().take_slow_step(workspace_.recipe(), asked);
  say(tr("Taking the step…"));
  refresh();
}

void StepWindow::show_step(const SlowStepTaken& event) {
  if (event.request != request_) return;
  step_ = event.step;
  {
    const QSignalBlocker quiet(module_);
    module_->clear();
    for (const std::string& module : step_->modules)
      module_->addItem(short_module_name(module), QString::fromStdString(module));
    module_->setCurrentIndex(module_->findData(QString::fromStdString(step_->module)));
  }
  say({});
  go(0);
}

void StepWindow::end(const RequestDone& event) {
  if (event.request != request_ || request_ == 0) return;
  request_ = 0;
  if (event.error) {
    // Another recipe may hang on other modules than those that are listed.
    module_->clear();
    say(error_text(*event.error), true);
  }
  refresh();
}

void StepWindow::go(int moment) {
  moment_ = std::clamp(moment, 0, kMoments - 1);
  moments_[static_cast<std::size_t>(moment_)]->setChecked(true);
  render();
  refresh();
}

QString StepWindow::words() const {
  const SlowStep& step = *step_;
  switch (static_cast<Moment>(moment_)) {
    case Moment::Before:
      if (step.from_weight)
        return tr("The base's weight W stays as it is. A and B begin with a part of it, B₀ · A₀, "
                  "which is taken off what they add: ΔW = %1 · (B · A − B₀ · A₀). So the first "
                  "step starts from the base's own answers here, too. The row's loss is %2.")
            .arg(number_text(step.scale, 3), number_text(step.before.mean, 5));
      return tr("The base's weight W stays as it is. Beside it hang A and B, whose product times "
                "%1 is added to it: ΔW = %1 · B · A. B starts at zero, so that the first step "
                "starts from the base's own answers. The row's loss is %2.")
          .arg(number_text(step.scale, 3), number_text(step.before.mean, 5));
    case Moment::Backward: {
      QString text = tr("The loss flows back and leaves a gradient for each number of A and B, and "
                        "none for W. All gradients together have the norm %1.")
                         .arg(number_text(step.gradient_norm, 4));
      if (step.gradient_a.norm == 0)
        text += QLatin1Char(' ') + tr("A's is zero, for B still is: what A changes does not come "
                                      "through.");
      if (step.clipped_to > 0)
        text +=
            QLatin1Char(' ') +
            tr("They are scaled down to %1 (max_grad_norm).").arg(number_text(step.clipped_to, 3));
      return text;
    }
    case Moment::Update:
      return tr("%1 moves A and B against their gradients by the rate %2. What it keeps of each "
                "number's gradients is its state, which stands in memory from the first step on.")
          .arg(QString::fromStdString(step.optimizer), number_text(step.learning_rate, 3));
    case Moment::After:
      return tr("The product of the moved pair is another ΔW; the step's own part of it has the "
                "norm %1. The row's loss went from %2 to %3.")
          .arg(number_text(step.change_of_step.norm, 3), number_text(step.before.mean, 5),
               number_text(step.after.mean, 5));
  }
  return {};
}

void StepWindow::show_matrices() {
  const SlowStep& step = *step_;
  std::vector<std::pair<QString, const ShownMatrix*>> shown;
  switch (static_cast<Moment>(moment_)) {
    case Moment::Before:
      shown = {{tr("A"), &step.a},
               {tr("B"), &step.b},
               {tr("ΔW"), &step.change_before},
               {tr("W"), &step.weight}};
      break;
    case Moment::Backward:
      shown = {{tr("gradient of A"), &step.gradient_a}, {tr("gradient of B"), &step.gradient_b}};
      break;
    case Moment::Update:
      shown = {{tr("A moves by"), &step.moved_a}, {tr("B moves by"), &step.moved_b}};
      break;
    case Moment::After:
      shown = {{tr("ΔW before"), &step.change_before},
               {tr("ΔW of this step"), &step.change_of_step},
               {tr("ΔW after"), &step.change_after}};
      break;
  }
  // Changes of one weight share a scale.
  const bool changes = static_cast<Moment>(moment_) == Moment::After;
  const double scale = changes ? std::max({step.change_before.largest, step.change_after.largest,
                                           step.change_of_step.largest})
                               : 0;
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    matrices_[i]->setVisible(i < shown.size() && shown[i].second->rows > 0);
    if (i < shown.size()) matrices_[i]->set_matrix(shown[i].first, *shown[i].second, scale);
  }
}

void StepWindow::show_memory() {
  const auto at = static_cast<std::size_t>(moment_);
  if (at >= step_->moments.size()) return;
  double most = 0;
  for (const StepMoment& moment : step_->moments)
    most = std::max(most, static_cast<double>(moment.memory.tensors()));
  const MemoryParts& memory = step_->moments[at].memory;
  const Colours& c = colours();
  const std::pair<QString, std::int64_t> parts[] = {{tr("weights"), memory.weights},
                                                    {tr("adapter"), memory.adapter},
                                                    {tr("gradients"), memory.gradients},
                                                    {tr("optimizer"), memory.optimizer},
                                                    {tr("activations"), memory.activations}};
  std::vector<StackedBar::Part> bar;
  std::vector<LegendEntry> entries;
  for (std::size_t i = 0; i < std::size(parts); ++i) {
    bar.push_back({c.parts[i], static_cast<double>(parts[i].second), parts[i].first});
    entries.push_back(
        {LegendEntry::Mark::Block, c.parts[i], parts[i].first, bytes_text(parts[i].second)});
  }
  bar_->set_parts(std::move(bar), most);
  legend_->set_entries(std::move(entries));
  memory_->setText(
      static_cast<Moment>(moment_) == Moment::Backward
          ? tr("Memory at the most while the loss flows back: %1").arg(bytes_text(memory.tensors()))
          : tr("Memory at this moment: %1").arg(bytes_text(memory.tensors())));
}

void StepWindow::render() {
  const bool any = step_.has_value();
  for (QWidget* widget : std::initializer_list<QWidget*>{title_, words_, memory_, bar_, legend_})
    widget->setVisible(any);
  if (!any) {
    for (MatrixView* matrix : matrices_) matrix->setVisible(false);
    return;
  }
  title_->setText(tr("%1 · rank %2 · step %3")
                      .arg(short_module_name(step_->module))
                      .arg(step_->rank)
                      .arg(step_->step));
  words_->setText(words());
  show_matrices();
  show_memory();
}

void StepWindow::say(const QString& text, bool wrong) {
  note_->setText(text);
  note_->setVisible(!text.isEmpty());
  set_ink(note_, wrong ? Ink::Error : Ink::Text);
}

void StepWindow::refresh() {
  const bool ready = workspace_.model() && workspace_.state() == SessionState::Ready;
  const bool data = !workspace_.recipe().dataset.empty();
  take_->setEnabled(ready && data && request_ == 0);
  take_->setToolTip(!workspace_.model() ? tr("A model must be loaded first")
                    : !data             ? tr("Choose data on the Data page first")
                    : !ready ? tr("Not now: %1").arg(state_text(state_name(workspace_.state())))
                             : QString());
  module_->setEnabled(module_->count() > 0 && take_->isEnabled());
  for (QPushButton* button : moments_) button->setEnabled(step_.has_value());
  back_->setEnabled(step_ && moment_ > 0);
  on_->setEnabled(step_ && moment_ + 1 < kMoments);
}

}  // namespace luthier
