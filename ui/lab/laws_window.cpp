// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/laws_window.h"

#include <QDateTime>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QTableWidget>
#include <QTimer>
#include <QVBoxLayout>

#include "engine/runs/elsewhere/child.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/lab/budget_card.h"
#include "ui/lab/law_plot.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/splitter.h"
#include "ui/widgets/word_table.h"

namespace luthier {

namespace {

constexpr QSize kLawsSize(1120, 720);
constexpr int kLookEvery = 1000, kStopWait = 20'000;  // milliseconds
constexpr int kUsualMinutes = 10, kMostMinutes = 100'000;
enum RunColumn { kRun, kRunWeights, kRunTokens, kRunLoss, kRunSeconds, kRunColumns };

QString amount(double number) { return QString::fromStdString(amount_text(number)); }

/// How new what stands there is.
QString stamp_of(const QString& place) {
  const QFileInfo there(place);
  const QFileInfo file(there.isDir() ? place + QStringLiteral("/sweep.json") : place);
  if (!file.exists()) return {};
  return QString::number(file.lastModified().toMSecsSinceEpoch()) + QLatin1Char(' ') +
         QString::number(file.size());
}

}  // namespace

LawsWindow* LawsWindow::of(const std::filesystem::path& home, QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<LawsWindow*>()) return there;
  return new LawsWindow(home, window);
}

LawsWindow::LawsWindow(const std::filesystem::path& home, QWidget* owner)
    : QDialog(owner), clock_(new QTimer(this)) {
  setObjectName(QStringLiteral("lawsWindow"));
  auto* layout = new QVBoxLayout(this);
  layout->addWidget(make_place());
  layout->addWidget(make_order());
  note_ = text_label(this, true);
  note_->setObjectName(QStringLiteral("lawsNote"));
  note_->hide();
  layout->addWidget(note_);
  layout->addWidget(make_found(), 5);
  plan_ = new BudgetCard(this);
  layout->addWidget(plan_, 3);
  place_->setText(path_text(home / "sweep"));
  clock_->setInterval(kLookEvery);
  connect(clock_, &QTimer::timeout, this, &LawsWindow::look);
  connect(place_, &QLineEdit::editingFinished, this, [this] { open_place(place_->text()); });
  connect(&sweep_, &QProcess::finished, this, &LawsWindow::ended);
  connect(&sweep_, &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
    if (error == QProcess::FailedToStart)
      say(tr("%1 could not be started. Reinstall Luthier, or put luthier-cli beside this program.")
              .arg(sweep_.program()),
          true);
    refresh();
  });
  // A person who ends a line with Enter means the line.
  for (auto* button : findChildren<QPushButton*>()) button->setAutoDefault(false);
  on_language(this, [this] { retranslate(); });
  resize(kLawsSize);
}

LawsWindow::~LawsWindow() {
  sweep_.disconnect(this);
  if (!sweeps()) return;
  sweep_.terminate();
  sweep_.waitForFinished(kStopWait);
}

QWidget* LawsWindow::make_place() {
  auto* row = new QWidget(this);
  auto* layout = new QHBoxLayout(row);
  layout->setContentsMargins(0, 0, 0, 0);
  place_label_ = new QLabel(row);
  place_ = new QLineEdit(row);
  place_->setObjectName(QStringLiteral("lawsPlace"));
  place_label_->setBuddy(place_);
  choose_ = new QPushButton(row);
  points_ = new QPushButton(row);
  for (QWidget* each : std::initializer_list<QWidget*>{place_label_, place_, choose_, points_})
    layout->addWidget(each, each == place_ ? 1 : 0);
  connect(choose_, &QPushButton::clicked, this, &LawsWindow::choose_folder);
  connect(points_, &QPushButton::clicked, this, &LawsWindow::choose_points);
  return row;
}

QWidget* LawsWindow::make_order() {
  auto* row = new QWidget(this);
  auto* layout = new QHBoxLayout(row);
  layout->setContentsMargins(0, 0, 0, 0);
  sizes_label_ = new QLabel(row);
  sizes_ = new QLineEdit(QStringLiteral("16, 24, 32, 48"), row);
  sizes_->setObjectName(QStringLiteral("lawsSizes"));
  sizes_label_->setBuddy(sizes_);
  tokens_label_ = new QLabel(row);
  tokens_ = new QLineEdit(QStringLiteral("64K, 128K, 256K, 512K"), row);
  tokens_->setObjectName(QStringLiteral("lawsTokens"));
  tokens_label_->setBuddy(tokens_);
  minutes_label_ = new QLabel(row);
  minutes_ = new QSpinBox(row);
  minutes_->setObjectName(QStringLiteral("lawsMinutes"));
  minutes_->setRange(1, kMostMinutes);
  minutes_->setValue(kUsualMinutes);
  minutes_label_->setBuddy(minutes_);
  sweep_button_ = new QPushButton(row);
  sweep_button_->setObjectName(QStringLiteral("lawsSweep"));
  stop_ = new QPushButton(row);
  stop_->setObjectName(QStringLiteral("lawsStop"));
  for (QWidget* each :
       std::initializer_list<QWidget*>{sizes_label_, sizes_, tokens_label_, tokens_, minutes_label_,
                                       minutes_, stop_, sweep_button_})
    layout->addWidget(each, each == sizes_ ? 1 : each == tokens_ ? 2 : 0);
  connect(sweep_button_, &QPushButton::clicked, this, &LawsWindow::sweep);
  connect(stop_, &QPushButton::clicked, this, &LawsWindow::stop);
  return row;
}

QWidget* LawsWindow::make_found() {
  auto* across = new Splitter(Qt::Horizontal, this);
  found_ = new Card(across);
  plot_ = new LawPlot(found_);
  found_->body()->addWidget(plot_, 1);
  auto* beside = new QWidget(across);
  auto* column = new QVBoxLayout(beside);
  column->setContentsMargins(0, 0, 0, 0);
  runs_ = table_of_words(kRunColumns, QStringLiteral("lawsRuns"), beside);
  words_ = text_label(beside, true);
  words_->setObjectName(QStringLiteral("lawsWords"));
  column->addWidget(runs_, 1);
  column->addWidget(words_);
  across->setSizes({scaled_length(640), scaled_length(440)});
  return across;
}

void LawsWindow::open_here() {
  show();
  raise();
  activateWindow();
  clock_->start();
  look();
  sweep_button_->setFocus();
}

void LawsWindow::open_place(const QString& place) {
  if (sweeps() || place == read_) return;
  place_->setText(place);
  stamp_.clear();
  if (stamp_of(place).isEmpty()) {
    // A folder that a sweep is to fill.
    read_ = place;
    picture_ = {};
    plot_->set_picture(picture_);
    show_runs();
    return refresh();
  }
  look();
}

void LawsWindow::choose_folder() {
  const QString folder = QFileDialog::getExistingDirectory(
      this, tr("A sweep's folder, or an empty one"), QFileInfo(place_->text()).absolutePath());
  if (!folder.isEmpty()) open_place(folder);
}

void LawsWindow::choose_points() {
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Points: weights, tokens, loss"), QFileInfo(place_->text()).absolutePath(),
      tr("Points (*.csv *.tsv *.json *.jsonl *.parquet)"));
  if (!file.isEmpty()) open_place(file);
}

void LawsWindow::sweep() {
  if (sweeps()) return;
  stopping_ = false;
  read_ = place_->text();
  const auto list = [](const QLineEdit* field) { return field->text().remove(QLatin1Char(' ')); };
  sweep_.setProgram(path_text(command_line_program()));
  sweep_.setArguments({QStringLiteral("laws"), QStringLiteral("sweep"), place_->text(),
                       QStringLiteral("--sizes"), list(sizes_), QStringLiteral("--tokens"),
                       list(tokens_), QStringLiteral("--minutes"),
                       QString::number(minutes_->value()), QStringLiteral("--json")});
  sweep_.setStandardOutputFile(QProcess::nullDevice());
  say(tr("Small decoders are trained, the cheapest first…"));
  sweep_.start(QIODevice::ReadOnly);
  refresh();
}

void LawsWindow::stop() {
  stopping_ = true;
  sweep_.terminate();
  refresh();
}

void LawsWindow::ended() {
  const QString said = QString::fromUtf8(sweep_.readAllStandardError()).trimmed();
  if (stopping_)
    say(tr("Stopped; what was trained is kept, and the same folder goes on from here."));
  else if (sweep_.exitStatus() != QProcess::NormalExit)
    say(tr("The sweep ended by itself. What was trained is kept: train again to go on."), true);
  else if (sweep_.exitCode() != 0)
    say(said_text(said.section(QLatin1Char('\n'), -1)
                      .remove(QStringLiteral("luthier-cli: "))
                      .toStdString()),
        true);
  else
    say({});
  stopping_ = false;
  stamp_.clear();  // with intervals now
  look();
  refresh();
}

void LawsWindow::look() {
  if (!isVisible()) return clock_->stop();
  const QString place = place_->text(), stamp = stamp_of(place);
  if (reading_ || stamp.isEmpty() || (stamp == stamp_ && place == read_)) return;
  read();
}

void LawsWindow::read() {
  reading_ = true;
  read_ = place_->text();
  stamp_ = stamp_of(read_);
  LawFitOptions options;
  if (sweeps()) options.draws = 0;  // points come still
  in_background_of(
      this, [place = to_path(read_), options] { return law_picture(place, options); },
      [this](Result<LawPicture>&& picture) { show_picture(std::move(picture)); });
  refresh();
}

void LawsWindow::show_picture(Result<LawPicture> picture) {
  reading_ = false;
  if (!picture) {
    say(error_text(picture.error()), true);
    picture_ = {};
  } else {
    if (!sweeps() && note_->isVisible() && note_->property("wrong").toBool()) say({});
    picture_ = picture.take();
  }
  plot_->set_picture(picture_);
  show_runs();
  refresh();
}

void LawsWindow::show_runs() {
  std::vector<SweepRow> rows = picture_.runs;
  if (picture_.next) rows.push_back(picture_.next->run);
  runs_->setRowCount(0);
  runs_->setVisible(!rows.empty());
  runs_->setRowCount(static_cast<int>(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SweepRow& row = rows[i];
    set_words(runs_, static_cast<int>(i),
              {QString::fromStdString(row.name), amount(row.weights), amount(row.tokens),
               row.loss ? number_text(*row.loss, 4)
                        : state_text(row.state.empty() ? "waiting" : row.state),
               row.loss ? number_text(row.seconds, 3) : QString()});
  }
  words_->setText(fit_words());
  const bool fitted = picture_.fit && picture_.fit->ok();
  plan_->set_law(fitted && (*picture_.fit)->falls() ? std::optional((*picture_.fit)->law)
                                                    : std::nullopt);
}

QString LawsWindow::fit_words() const {
  if (!picture_.fit) return tr("No run has ended here yet.");
  if (!picture_.fit->ok()) return error_text(picture_.fit->error());
  const LawFit& fit = **picture_.fit;
  const auto number = [&](const QString& name, double value,
                          const std::function<double(const LossLaw&)>& of) {
    const Interval interval = fit.of(of);
    return interval.known ? tr("%1 %2 (%3 to %4)")
                                .arg(name, number_text(value, 4), number_text(interval.low, 3),
                                     number_text(interval.high, 3))
                          : name + QLatin1Char(' ') + number_text(value, 4);
  };
  QStringList lines{
      tr("L = E + A / N^α + B / D^β, from %n points", nullptr, static_cast<int>(fit.points))};
  lines << number(QStringLiteral("E"), fit.law.e, [](const LossLaw& law) { return law.e; });
  lines << number(QStringLiteral("α"), fit.law.alpha, [](const LossLaw& law) { return law.alpha; });
  lines << number(QStringLiteral("β"), fit.law.beta, [](const LossLaw& law) { return law.beta; });
  lines << number(tr("The best N grows as C to the power of"), fit.law.weights_exponent(),
                  [](const LossLaw& law) { return law.weights_exponent(); });
  if (picture_.floor)
    lines << tr("The language's own floor is %1").arg(number_text(*picture_.floor, 4));
  if (const auto& next = picture_.next; next && next->forecast > 0) {
    QString said = tr("%1: forecast %2")
                       .arg(QString::fromStdString(next->run.name), number_text(next->forecast, 4));
    if (next->interval.known)
      said += tr(" (%1 to %2)")
                  .arg(number_text(next->interval.low, 4), number_text(next->interval.high, 4));
    if (next->run.loss)
      said += tr(", it came to %1 (%2 %)")
                  .arg(number_text(*next->run.loss, 4),
                       QString::asprintf("%+.2f", 100 * (*next->run.loss / next->forecast - 1)));
    lines << said;
  }
  for (const std::string& warning : fit.warnings) lines << said_text(warning);
  return lines.join(QLatin1Char('\n'));
}

void LawsWindow::say(const QString& text, bool wrong) {
  note_->setText(text);
  note_->setProperty("wrong", wrong);
  note_->setVisible(!text.isEmpty());
  set_ink(note_, wrong ? Ink::Error : Ink::Text);
}

void LawsWindow::refresh() {
  const bool going = sweeps(), folder = !QFileInfo(place_->text()).isFile();
  sweep_button_->setEnabled(!going && folder && !place_->text().isEmpty());
  sweep_button_->setToolTip(folder ? QString()
                                   : tr("A file of points is no sweep; choose a folder"));
  sweep_button_->setText(picture_.runs.empty() ? tr("&Train the sweep") : tr("&Train what lacks"));
  stop_->setVisible(going);
  stop_->setEnabled(!stopping_);
  for (QWidget* each :
       std::initializer_list<QWidget*>{place_, choose_, points_, sizes_, tokens_, minutes_})
    each->setEnabled(!going);
}

void LawsWindow::retranslate() {
  setWindowTitle(tr("Scaling laws"));
  found_->set_title(tr("Losses over operations, and the law fitted to them"));
  place_label_->setText(tr("S&weep"));
  place_->setAccessibleName(tr("A sweep's folder, or a file of points"));
  choose_->setText(tr("&Choose…"));
  points_->setText(tr("&Points…"));
  points_->setToolTip(tr("A table of weights, tokens and losses that is there already"));
  sizes_label_->setText(tr("Wi&dths"));
  sizes_->setAccessibleName(tr("Widths"));
  sizes_->setToolTip(tr("Of the decoders, in steps of 8; the next one is forecast"));
  tokens_label_->setText(tr("T&okens"));
  tokens_->setAccessibleName(tr("Tokens"));
  tokens_->setToolTip(tr("That each width is trained on, from nothing"));
  minutes_label_->setText(tr("&Minutes"));
  minutes_->setAccessibleName(tr("Minutes"));
  minutes_->setToolTip(tr("Runs that would not end in them are left for another time"));
  stop_->setText(tr("&Stop"));
  runs_->setAccessibleName(tr("Runs"));
  runs_->setHorizontalHeaderLabels(
      {tr("Run"), tr("Weights"), tr("Tokens"), tr("Loss"), tr("Seconds")});
  show_runs();
  refresh();
}

}  // namespace luthier
