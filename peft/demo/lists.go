package demo

// wordLists are the words that the pretraining text draws from, by the name of the list.
func wordLists() map[string][]string {
	return map[string][]string{
		"name": {"Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Henry", "Ida", "Jack", "Kate", "Leo", "Mia", "Noah", "Olga", "Paul",
			"Rosa", "Sam", "Tina", "Victor", "Wendy", "Yusuf", "Zoe", "Adam", "Bella", "Carl", "Dora", "Eric", "Fay", "George"},
		"city":   {"Rome", "Paris", "London", "Berlin", "Madrid", "Vienna", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo", "Boston", "Athens", "Dublin", "Prague", "Sydney"},
		"room":   join(rooms(), []string{"garden", "cellar", "library", "dining room"}),
		"thing":  {"lamp", "chair", "table", "book", "cup", "box", "key", "ball", "clock", "bag", "hat", "plate", "pen", "map", "bed", "mirror", "picture", "radio", "coat", "basket"},
		"color":  {"red", "blue", "green", "yellow", "black", "white", "brown", "pink", "gray", "purple"},
		"food":   {"apples", "milk", "bread", "cheese", "eggs", "rice", "tea", "coffee", "soup", "fish", "plums", "nuts", "butter", "honey", "carrots", "beans", "salt", "sugar", "lemons", "cake"},
		"count":  {"apples", "eggs", "plums", "nuts", "carrots", "beans", "lemons", "cups", "boxes", "keys", "pens", "hats"},
		"animal": {"cat", "dog", "horse", "cow", "bird", "mouse", "fox", "bear", "duck", "goat", "frog", "sheep", "rabbit", "pig"},
		"job":    {"doctor", "baker", "teacher", "farmer", "driver", "painter", "nurse", "cook", "singer", "writer"},
		"day":    {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
		"month":  {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		"sky":    {"sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "stormy"},
		"mood":   {"happy", "sad", "tired", "hungry", "cold", "warm", "busy", "late", "glad", "angry"},
		"device": {"light", "heater", "fan", "radio", "door", "music", "oven", "screen", "lamp", "clock", "pump", "window"},
		"state":  {"on", "off", "open", "shut", "locked", "unlocked", "too loud", "quiet", "broken", "new", "bright", "dark"},
		"onoff":  {"on", "off"},
		"updown": {"up", "down"},
		"small":  numbers(2, 12, 1), "age": numbers(3, 90, 1), "percent": numbers(5, 95, 5), "degrees": numbers(-5, 35, 1), "number": numbers(0, 99, 1),
		"speed": numbers(1, 9, 1), "year": numbers(1990, 2030, 1), "hour": numbers(1, 12, 1), "minute": {"00", "05", "10", "15", "20", "30", "40", "45", "50"},
	}
}
