package demo

// patterns of the pretraining text, by kind. Each kind comes up as often as every other, so that what matters for following a
// prompt (copying a word from it, filling a JSON object from a sentence) is not drowned by stories. In a conversation "> " begins
// what the user says and "< " what the assistant answers; ^ makes the next letter a capital.
//
// No object here has the keys of the household task, and every order or remark about a home ends with a mark or a word with which no
// sentence of the task ends.
func patterns() [][]string {
	return [][]string{stories(), questions(), copies(), lookups(), objects(), objects(), objectsFromList(), describedObjects(), orders(), orders(), remarks(), counting()}
}

func stories() []string {
	return []string{
		"$p:name went into the $r:room. It was dark there, so $p turned the light on. On the $t:thing sat a $a:animal. \"Hello, $a,\" said $p. The $a was $m:mood. " +
			"Then $p turned the light off and went to the $s:room.",
		"It was a $w:sky day in $c:city. $p:name and $q:name wanted to buy $f:food. $p had a $k:color bag and $q had a $l:color hat. They walked for $n:small hours. In the evening they were (very |)$m:mood.",
		"$p:name lives in $c:city. $p is $n:age years old and works as a $j:job. On $d:day $p eats $f:food and $g:food. $p has a $a:animal that likes $g.",
		"The $a:animal was $m:mood. It sat in the $r:room and looked at the $k:color $t:thing. Then $p:name came in and gave it some $f:food. Now the $a is $o:mood.",
		"On $d:day it was cold in the $r:room. $p:name turned the heater up to $n:degrees degrees. After $m:small minutes it was warm. \"Thank you, $p,\" said $q:name.",
		"$p:name could not sleep. The music in the $r:room was too loud. $p got up, went into the $r and turned the music down. Then it was quiet, and $p was $m:mood.",
		"In the $r:room there is a $k:color $t:thing and a $l:color $u:thing. The $t belongs to $p:name and the $u belongs to $q:name. Nobody knows who put them there.",
		"The sun came in through the window of the $r:room. It was too bright for $p:name, who closed the blinds. A $a:animal outside made a noise, and $p opened the blinds again.",
		"$p:name locked the door of the $r:room and went to $c:city. In $c it was $w:sky. When $p came home, the door was open and a $a:animal was in the $r.",
		"The air in the $r:room was bad. $p:name opened the window and switched the fan on. The fan ran at speed $n:speed. \"That is better,\" said $q:name. \"Now stop the fan, please.\"",
		"$p:name has a friend named $q:name. $q is a $j:job in $c:city. In $m:month $p went there by train. The train left at $h:hour:$i:minute and was $n:small minutes late.",
	}
}

func questions() []string {
	return []string{
		"> Where does $p:name live? $p lives in $c:city.\n< $p lives in $c.",
		"> $p:name is a $j:job and $q:name is a $k:job. What is (the job of $p?\n< $p is a $j.|the job of $q?\n< $q is a $k.)",
		"> The $t:thing is $k:color and the $u:thing is $l:color. Which color has the ($t?\n< The $t is $k.|$u?\n< The $u is $l.)",
		"> $p:name went to the $r:room and $q:name went to the $s:room. Where is ($p?\n< $p is in the $r.|$q?\n< $q is in the $s.)",
		"> How warm is it in the $r:room? It is $n:degrees degrees in the $r and $m:degrees degrees in the $s:room.\n< It is $n degrees in the $r.",
		"> The $d:device in the $r:room is $x:state. The $e:device in the $s:room is $y:state. (Where is the $d?\n< The $d is in the $r.|What is in the $s?\n< The $e is in the $s.|How is the $d?\n< The $d is $x.|How is the $e?\n< The $e is $y.)",
		"> (Hello|Hi|Good morning), I am $p:name.\n< Hello $p, how can I help you?",
		"> How are you?\n< I am (fine|well), thank you.",
		"> Is it $w:sky in $c:city?\n< I do not know if it is $w in $c.",
		"> (What is your name?|Who are you?)\n< I am a (very |)small model.",
		"> Thank you, that was good.\n< You are welcome.",
		"> When does the train to $c:city leave? The train to $c leaves at $h:hour:$i:minute and the train to $e:city leaves at $k:hour:$j:minute.\n< The train to $c leaves at $h:$i.",
	}
}

func copies() []string {
	return []string{
		"$a:word $b:word $c:word $d:word. $a $b $c $d. $a $b $c $d.",
		"$a:thing $b:color $c:food $d:animal, $a $b $c $d, $a $b $c $d.",
		"> Say $a:word (and |)$b:word.\n< $a $b",
		"> Repeat: $a:word $b:food $c:word $d:animal\n< $a $b $c $d",
		"> Repeat the number $a:number and the number $b:number.\n< $a $b",
		"> What is the (first|1st) word? $a:word $b:word $c:word\n< $a",
		"> What is the last word? $a:word $b:word $c:word\n< $c",
		"> Which word stands after $a:word? $b:word $a $c:word $d:word\n< $c",
		"$a:word is $x:color, $b:word is $y:color, $c:word is $z:color. So ($a is $x|$b is $y|$c is $z) and ($a is $x|$b is $y|$c is $z).",
		"$a:room $x:percent, $b:room $y:degrees, $c:room $z:number. ($a $x|$b $y|$c $z), ($a $x|$b $y|$c $z), ($a $x|$b $y|$c $z).",
		"> Say it twice: $a:word $n:number\n< $a $n $a $n",
	}
}

func lookups() []string {
	return []string{
		"> $p:name has the $k:color $t:thing. $q:name has the $l:color $u:thing. (Who has the $t?\n< $p|Who has the $u?\n< $q|What has $p?\n< the $k $t|What has $q?\n< the $l $u)",
		"> $a:word = $x:number, $b:word = $y:number, $c:word = $z:number. ($a?\n< $x|$b?\n< $y|$c?\n< $z)",
		"> {\"$a:word\":$x:number,\"$b:word\":$y:number} (What is $a?\n< $x|What is $b?\n< $y)",
		"> {\"name\":\"$p:name\",\"age\":$n:age,\"city\":\"$c:city\"} (How old is $p?\n< $n|Where does $p live?\n< $c|Who lives in $c?\n< $p)",
		"> The $t:thing costs $x:number and the $u:thing costs $y:number. (What does the $t cost?\n< $x|What does the $u cost?\n< $y|What costs $y?\n< the $u|What costs $x?\n< the $t)",
	}
}

// objects are answers in JSON to a question that names the keys or the kind.
func objects() []string {
	return []string{
		"> $p:name is $n:age years old. (JSON|Write JSON|As JSON), please.\n< {\"name\":\"$p\",\"age\":$n}",
		"> $p:name (lives in|comes from|is in) $c:city and is $n:age. JSON\n< {\"name\":\"$p\",\"city\":\"$c\",\"age\":$n}",
		"> $p:name is a $j:job (in|from) $c:city. JSON\n< {\"name\":\"$p\",\"job\":\"$j\",\"city\":\"$c\"}",
		"> (I need|We need|Buy|Please buy) $n:small $f:count. JSON\n< {\"buy\":\"$f\",\"count\":$n}",
		"> (I need|We need|Buy|Please buy) $f:food and $g:food. JSON\n< {\"buy\":[\"$f\",\"$g\"]}",
		"> On $d:day it (is|will be) $w:sky in $c:city with $n:degrees degrees. JSON\n< {\"day\":\"$d\",\"city\":\"$c\",\"sky\":\"$w\",\"degrees\":$n}",
		"> It is $w:sky and $n:degrees degrees in $c:city. JSON\n< {\"city\":\"$c\",\"sky\":\"$w\",\"degrees\":$n}",
		"> (The|A) train from $c:city to $e:city leaves at $h:hour:$i:minute. JSON\n< {\"from\":\"$c\",\"to\":\"$e\",\"time\":\"$h:$i\"}",
		"> The $k:color $t:thing is in the $r:room. JSON\n< {\"thing\":\"$t\",\"color\":\"$k\",\"place\":\"$r\"}",
		"> (There are|I see|We have) $n:small $k:color $f:count in the $r:room. JSON\n< {\"place\":\"$r\",\"thing\":\"$f\",\"color\":\"$k\",\"count\":$n}",
		"> (Meet|Call|Ask) $p:name on $d:day at $h:hour. JSON\n< {\"who\":\"$p\",\"day\":\"$d\",\"hour\":$h}",
		"> $p:name (likes|wants|has) a $k:color $a:animal. JSON\n< {\"who\":\"$p\",\"animal\":\"$a\",\"color\":\"$k\"}",
		"> $p:name is in the $r:room and is $m:mood. JSON\n< {\"who\":\"$p\",\"place\":\"$r\",\"mood\":\"$m\"}",
	}
}

// objectsFromList are answers whose keys stand in the question, in any order, so that a key is followed to its word.
func objectsFromList() []string {
	facts := "$p:name is a $k:age year old $j:job from $c:city who likes $f:food. "
	made := "$a:word is $x:number, $b:word is $y:number, $c:word is $z:number. "
	return []string{
		"> " + facts + "(Give name and age.\n< {\"name\":\"$p\",\"age\":$k}|Give age and name.\n< {\"age\":$k,\"name\":\"$p\"}|Give job and city.\n< {\"job\":\"$j\",\"city\":\"$c\"}|" +
			"Give city and food.\n< {\"city\":\"$c\",\"food\":\"$f\"}|Give food, name and job.\n< {\"food\":\"$f\",\"name\":\"$p\",\"job\":\"$j\"}|Give job, age and food.\n< {\"job\":\"$j\",\"age\":$k,\"food\":\"$f\"}|" +
			"Give city, name and age.\n< {\"city\":\"$c\",\"name\":\"$p\",\"age\":$k})",
		"> " + made + "(Give $a and $b.\n< {\"$a\":$x,\"$b\":$y}|Give $c and $a.\n< {\"$c\":$z,\"$a\":$x}|Give $b and $c.\n< {\"$b\":$y,\"$c\":$z}|Give $c.\n< {\"$c\":$z}|Give $a.\n< {\"$a\":$x}|Give $b.\n< {\"$b\":$y})",
		"> $a:word and $b:word and $c:word as a list.\n< [\"$a\",\"$b\",\"$c\"]",
		"> $a:food, $b:thing as a list.\n< [\"$a\",\"$b\"]",
	}
}

// describedObjects are objects and sentences that say the same, in plain text.
func describedObjects() []string {
	return []string{
		"{\"name\":\"$p:name\",\"age\":$n:age,\"city\":\"$c:city\"} means that $p is $n years old and lives in $c.",
		"{\"buy\":\"$f:count\",\"count\":$n:small} means that we need $n $f.",
		"{\"city\":\"$c:city\",\"sky\":\"$w:sky\",\"degrees\":$n:degrees} means that it is $w in $c with $n degrees.",
		"{\"thing\":\"$t:thing\",\"color\":\"$k:color\",\"place\":\"$r:room\"} means that the $k $t is in the $r.",
		"{\"from\":\"$c:city\",\"to\":\"$e:city\",\"time\":\"$h:hour:$i:minute\"} means that the train from $c to $e leaves at $h:$i.",
		"{\"year\":$y:year,\"month\":\"$m:month\",\"sky\":\"$w:sky\"} means that $m $y was $w.",
		"[\"$f:food\",\"$g:food\",\"$h:food\"] is a list of $f, $g and $h.",
		"{\"$a:word\":\"$b:word\",\"$c:word\":\"$d:word\"} has $b for $a and $d for $c.",
	}
}

// orders to the devices of a home are answered with a sentence.
func orders() []string {
	return []string{
		"> (^|)(please |hey, |hello, |)(turn|switch) the $d:device in the $r:room $o:onoff(.|!| then| soon)\n< The $d in the $r is $o now.",
		"> (^|)(please |hey, |hello, |)(turn|switch) $o:onoff the $r:room $d:device(.|!| then| soon)\n< The $r $d is $o now.",
		"> (^|)(please |hey, |hello, |)turn the $r:room $d:device $u:updown to $n:percent percent(.|!| then| soon)\n< The $r $d is at $n percent now.",
		"> (^|)(please |hey, |hello, |)(dim|lower|bring down) the light in the $r:room to $n:percent(%| percent)(.|!| then| soon)\n< The light in the $r is at $n percent now.",
		"> (^|)(please |hey, |hello, |)(heat|warm) the $r:room to $n:degrees degrees(.|!| then| soon)\n< The $r will have $n degrees soon.",
		"> (^|)(please |hey, |hello, |)(set|run) the fan in the $r:room (to|at) speed $n:speed(.|!| then| soon)\n< The fan in the $r runs at speed $n now.",
		"> (^|)(please |hey, |hello, |)(open|raise|pull up) the blinds in the $r:room(.|!| then| soon)\n< The blinds in the $r are open now.",
		"> (^|)(please |hey, |hello, |)(close|shut|pull down) the $r:room blinds(.|!| then| soon)\n< The $r blinds are closed now.",
		"> (^|)(please |hey, |hello, |)(play|start) (the |some |)music in the $r:room(.|!| then| soon)\n< The music in the $r plays now.",
		"> (^|)(please |hey, |hello, |)(stop|end) the music in the $r:room(.|!| then| soon)\n< It is quiet in the $r now.",
		"> (^|)(please |hey, |hello, |)(lock the $r:room door(.|!| then| soon)\n< The $r door is locked now.|unlock the $r:room door(.|!| then| soon)\n< The $r door is unlocked now.)",
		"> (^|)(please |hey, |hello, |)set the (music|heater) in the $r:room to $n:number(.|!| then| soon)\n< It is at $n in the $r now.",
	}
}

// remarks about a home are answered with a sentence too.
func remarks() []string {
	return []string{
		"> (^|)(oh, |)it is (too |so |)$m:mood in the $r:room(.|!| then| soon)\n< I am sorry that it is $m in the $r.",
		"> (^|)(oh, |)it is too dark in the $r:room, I cannot see a thing(.|!| then| soon)\n< Then you need more light in the $r.",
		"> (^|)(oh, |)the air in the $r:room is bad(.|!| then| soon)\n< Then you need some air in the $r.",
		"> (^|)i am freezing in the $r:room(.|!| then| soon)\n< Then it is too cold in the $r.",
		"> (^|)(oh, |)there is too much (sun|wind|light|noise) in the $r:room today(.|!| then| soon)\n< You may go to the $s:room.",
		"> (^|)i want to hear (some |)music in the $r:room again(.|!| then| soon)\n< Music in the $r is nice.",
		"> (^|)nobody may enter the $r:room(.|!| then| soon)\n< Nobody will enter the $r.",
		"> (^|)i cannot get into the $r:room(.|!| then| soon)\n< Is the door of the $r locked?",
		"> (^|)i want $n:degrees degrees in the $r:room(.|!| then| soon)\n< $n degrees in the $r, I understand.",
		"> (^|)i want it quiet in the $r:room(.|!| then| soon)\n< It should be quiet in the $r.",
		"> (^|)make it (bright|dark|warm|quiet) in the $r:room(.|!| then| soon)\n< I will do that in the $r.",
		"> (^|)let the sun into the $r:room, and keep the $a:animal out of the $s:room(.|!| then| soon)\n< The sun may come into the $r.",
	}
}

func counting() []string {
	return []string{
		"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
		"10, 20, 30, 40, 50, 60, 70, 80, 90, 100",
		"Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
		"January, February, March, April, May, June, July, August, September, October, November, December",
		"> What is the opposite of (on?\n< off|off?\n< on|open?\n< shut|up?\n< down|down?\n< up|warm?\n< cold|cold?\n< warm|dark?\n< bright|bright?\n< dark|loud?\n< quiet)",
		"> Name a (room.\n< $r:room|color.\n< $k:color|city.\n< $c:city|animal.\n< $a:animal|food.\n< $f:food|day.\n< $d:day)",
		"$a:room, $b:room, $c:room and $d:room are rooms.",
		"$a:color and $b:color are colors.",
		"$a:city, $b:city and $c:city are cities.",
		"A $a:animal and a $b:animal are animals.",
		"> Is $a:color a color or a city?\n< $a is a color.", "> Is $a:city a color or a city?\n< $a is a city.", "> Is the $a:room a room?\n< Yes, the $a is a room.",
	}
}
